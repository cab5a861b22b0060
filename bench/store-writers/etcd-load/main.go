// Writers of values of 1 KiB into etcd over gRPC, each waiting for the acknowledgement: for a rate beside our store.
//
//	etcd-load -endpoint 127.0.0.1:2379 -prefix c/g/r/ -writers 16 -seconds 1
//
// Prints the writes and the seconds that they took. Every writer puts new keys, and only if they are not there, as our
// creates do. -ready only waits until etcd answers.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const valueBytes = 1024

func main() {
	endpoint := flag.String("endpoint", "", "HOST:PORT of etcd")
	prefix := flag.String("prefix", "", "of all keys")
	writers := flag.Int("writers", 1, "at a time")
	seconds := flag.Float64("seconds", 1, "to write for")
	ready := flag.Bool("ready", false, "only wait until etcd answers")
	flag.Parse()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := client.Get(ctx, "ready"); err != nil {
		log.Fatal(err)
	}
	if *ready {
		return
	}
	count, took, err := write(ctx, client, *prefix, *writers, time.Duration(*seconds*float64(time.Second)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(count, took.Seconds())
}

func write(ctx context.Context, client *clientv3.Client, prefix string, writers int, duration time.Duration) (int, time.Duration, error) {
	value := string(bytes.Repeat([]byte("polyanthus"), valueBytes/10+1)[:valueBytes])
	counts := make([]int, writers)
	faults := make([]error, writers)
	began := time.Now()
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for time.Since(began) < duration {
				key := fmt.Sprintf("%sw%d/o%d", prefix, writer, counts[writer])
				isNew := clientv3.Compare(clientv3.ModRevision(key), "=", 0)
				if _, faults[writer] = client.Txn(ctx).If(isNew).Then(clientv3.OpPut(key, value)).Commit(); faults[writer] != nil {
					return
				}
				counts[writer]++
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	sum := 0
	for writer := range writers {
		if faults[writer] != nil {
			return 0, 0, faults[writer]
		}
		sum += counts[writer]
	}
	return sum, took, nil
}
