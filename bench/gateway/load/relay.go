package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"time"
)

// relay is a link between two machines: it takes connections, and holds every byte for delay and for as long as a link of
// so many Mbit/s needs for it, in each direction. What the link and its queue hold is bounded, as on a real one.
//
//	load relay -url HOST:PORT -delay 10ms -mbit 500 -listen 127.0.0.1:0
//
// With -mbit 0 the pace is the network's own.
func relay(o *options) {
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		near, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		far, err := net.Dial("tcp", o.url)
		if err != nil {
			near.Close()
			continue
		}
		go hop(near, far, o)
		go hop(far, near, o)
	}
}

type held struct {
	bytes []byte
	due   time.Time
}

// 64 pieces of 64 KiB: the link itself holds 1.25 MB at 500 Mbit/s and 20 ms, the rest is its queue.
const queuePieces, pieceBytes = 64, 64 * 1024

func hop(from, to net.Conn, o *options) {
	queue := make(chan held, queuePieces)
	go func() {
		defer close(queue)
		free := time.Now()
		for {
			piece := make([]byte, pieceBytes)
			count, err := from.Read(piece)
			if count > 0 {
				if now := time.Now(); free.Before(now) {
					free = now
				}
				if o.mbit > 0 {
					free = free.Add(time.Duration(float64(count) * 8_000 / o.mbit))
				}
				queue <- held{piece[:count], free.Add(o.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for one := range queue {
		time.Sleep(time.Until(one.due))
		if _, err := to.Write(one.bytes); err != nil {
			break
		}
	}
	to.Close()
	for range queue {
	}
	_, _ = io.Copy(io.Discard, from)
}
