// Command load sends the benchmark's load over HTTP/1.1 with keep-alive and prints one JSON object.
//
//	load get    -url URL -callers 16 -seconds 3 -warm 1   GETs by so many callers at a time
//	load stream -url URL                                   one GET, read to its end
//	load watch  -url URL -callers 1 -seconds 3             lines read a second from open streams
//	load stalled -url URL -stall URL -streams 64 -callers 16 -seconds 3
//	                                                       get, while so many streams are open and unread
//	load put    -url URL -body FILE -callers 1 -seconds 3  POSTs of a file
//	load relay  -url HOST:PORT -delay 10ms -mbit 500       a slow link; prints its port
//
// -token and -rate (requests a second over all callers, 0 for as many as go) belong to all. Certificates are not verified:
// both sides of a comparison pay the same handshakes.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type options struct {
	mode, url, stall, token, body, contentType, urlsFile, listen string
	callers, streams                                     int
	seconds, warm, rate, mbit                            float64
	delay                                                time.Duration
	urls                                                 []string
	payload                                              []byte
}

func main() {
	o := read()
	if o.mode == "relay" {
		relay(o)
	}
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConnsPerHost: o.callers,
		DisableCompression:  true,
		ReadBufferSize:      64 * 1024,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}}
	var result any
	switch o.mode {
	case "get", "put":
		result = calls(client, o)
	case "stream":
		result = stream(client, o)
	case "watch":
		result = watch(client, o)
	case "stalled":
		hold(o)
		result = calls(client, o)
	default:
		log.Fatalf("unknown mode %s", o.mode)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

func read() *options {
	o := &options{}
	if len(os.Args) < 2 {
		log.Fatal("give get, stream, watch, stalled, put or relay")
	}
	o.mode = os.Args[1]
	flags := flag.NewFlagSet(o.mode, flag.ExitOnError)
	flags.StringVar(&o.url, "url", "", "what is asked for")
	flags.StringVar(&o.urlsFile, "urls", "", "file of URLs, one a line, asked for in turn instead of -url")
	flags.StringVar(&o.stall, "stall", "", "what is opened and not read")
	flags.StringVar(&o.token, "token", "", "bearer token")
	flags.StringVar(&o.body, "body", "", "file that is sent")
	flags.StringVar(&o.contentType, "content-type", "application/json", "of the file")
	flags.IntVar(&o.callers, "callers", 1, "at the same time")
	flags.IntVar(&o.streams, "streams", 64, "stalled streams")
	flags.Float64Var(&o.seconds, "seconds", 3, "time that is measured")
	flags.Float64Var(&o.warm, "warm", 1, "time before")
	flags.Float64Var(&o.rate, "rate", 0, "requests a second")
	flags.Float64Var(&o.mbit, "mbit", 500, "of a relay")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "where a relay listens")
	flags.DurationVar(&o.delay, "delay", 10*time.Millisecond, "of a relay, each way")
	_ = flags.Parse(os.Args[2:])
	if o.body != "" {
		payload, err := os.ReadFile(o.body)
		if err != nil {
			log.Fatal(err)
		}
		o.payload = payload
	}
	o.urls = []string{o.url}
	if o.urlsFile != "" {
		text, err := os.ReadFile(o.urlsFile)
		if err != nil {
			log.Fatal(err)
		}
		o.urls = strings.Fields(string(text))
	}
	return o
}

func request(o *options, url string) *http.Request {
	method, body := http.MethodGet, io.Reader(nil)
	if o.payload != nil {
		method, body = http.MethodPost, bytes.NewReader(o.payload)
	}
	out, err := http.NewRequest(method, url, body)
	if err != nil {
		log.Fatal(err)
	}
	if o.payload != nil {
		out.Header.Set("Content-Type", o.contentType)
	}
	if o.token != "" {
		out.Header.Set("Authorization", "Bearer "+o.token)
	}
	return out
}

func once(client *http.Client, o *options, url string) (int64, error) {
	answer, err := client.Do(request(o, url))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	count, err := io.Copy(io.Discard, answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return count, err
}

type callsResult struct {
	P50Ms     float64 `json:"p50Ms"`
	P99Ms     float64 `json:"p99Ms"`
	MaxMs     float64 `json:"maxMs"`
	PerSecond float64 `json:"perSecond"`
	Count     int     `json:"count"`
	Errors    int64   `json:"errors"`
	LastError string  `json:"lastError,omitempty"`
}

func calls(client *http.Client, o *options) callsResult {
	begin := time.Now()
	from := begin.Add(time.Duration(o.warm * float64(time.Second)))
	until := from.Add(time.Duration(o.seconds * float64(time.Second)))
	times := make([][]float64, o.callers)
	var errors, turn atomic.Int64
	var last atomic.Value
	var group sync.WaitGroup
	for caller := range o.callers {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				number := turn.Add(1) - 1
				if o.rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(float64(number) / o.rate * float64(time.Second)))))
				}
				at := time.Now()
				if at.After(until) {
					return
				}
				_, err := once(client, o, o.urls[int(number)%len(o.urls)])
				if err != nil {
					errors.Add(1)
					last.Store(err.Error())
				} else if at.After(from) {
					times[caller] = append(times[caller], float64(time.Since(at).Microseconds())/1000)
				}
			}
		}()
	}
	group.Wait()
	all := []float64{}
	for _, some := range times {
		all = append(all, some...)
	}
	sort.Float64s(all)
	result := callsResult{Count: len(all), Errors: errors.Load(), PerSecond: float64(len(all)) / time.Since(from).Seconds()}
	if text, ok := last.Load().(string); ok {
		result.LastError = text
	}
	if len(all) > 0 {
		result.P50Ms, result.P99Ms, result.MaxMs = all[len(all)/2], all[len(all)*99/100], all[len(all)-1]
	}
	return result
}

func stream(client *http.Client, o *options) any {
	at := time.Now()
	count, err := once(client, o, o.url)
	if err != nil {
		log.Fatal(err)
	}
	seconds := time.Since(at).Seconds()
	return map[string]float64{"bytes": float64(count), "seconds": seconds, "mbPerSecond": float64(count) / 1e6 / seconds}
}

func watch(client *http.Client, o *options) any {
	var lines atomic.Int64
	for index := range o.callers {
		go func() {
			answer, err := client.Do(request(o, o.urls[index%len(o.urls)]))
			if err != nil {
				log.Fatal(err)
			}
			if answer.StatusCode != 200 {
				log.Fatalf("status %d", answer.StatusCode)
			}
			reader := bufio.NewReaderSize(answer.Body, 64*1024)
			for {
				if _, err := reader.ReadSlice('\n'); err == nil {
					lines.Add(1)
				} else if err != bufio.ErrBufferFull {
					return
				}
			}
		}()
	}
	time.Sleep(time.Duration(o.warm * float64(time.Second)))
	before, at := lines.Load(), time.Now()
	time.Sleep(time.Duration(o.seconds * float64(time.Second)))
	count := lines.Load() - before
	return map[string]float64{"events": float64(count), "perSecond": float64(count) / time.Since(at).Seconds()}
}

// hold opens streams on connections of their own and leaves them after the first byte.
func hold(o *options) {
	held := *o
	held.payload = nil
	for range o.streams {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
		}}
		answer, err := client.Do(request(&held, o.stall))
		if err != nil {
			log.Fatal(err)
		}
		one := []byte{0}
		if _, err := answer.Body.Read(one); err != nil || answer.StatusCode != 200 {
			log.Fatalf("a stream that should stall: status %d, %v", answer.StatusCode, err)
		}
	}
	time.Sleep(2 * time.Second)
}
