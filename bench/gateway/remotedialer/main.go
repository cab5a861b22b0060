// Command remotedialer is the peer of the benchmark: an HTTP proxy over github.com/rancher/remotedialer, as Rancher uses
// it to reach the API servers of its clusters. The hub ends the callers' TLS, opens its own TLS to the target through the
// tunnel, and impersonates; the client only dials. It has no rights, no audit and no limits.
//
//	remotedialer hub -cert FILE -key FILE -target HOST:PORT [-token TOKEN] [-impersonate USER]
//	remotedialer client -hub HOST:PORT
//
// The hub prints its port when it listens, the client prints "connected".
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rancher/remotedialer"
	"github.com/sirupsen/logrus"
)

const member = "member"

func main() {
	logrus.SetLevel(logrus.ErrorLevel)
	if len(os.Args) < 2 {
		log.Fatal("give hub or client")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	cert := flags.String("cert", "", "PEM file of the certificate")
	key := flags.String("key", "", "PEM file of the key")
	target := flags.String("target", "", "HOST:PORT as the client dials it")
	token := flags.String("token", "", "bearer token for the target")
	impersonate := flags.String("impersonate", "", "user for the target")
	hub := flags.String("hub", "", "HOST:PORT of the hub")
	_ = flags.Parse(os.Args[2:])
	switch os.Args[1] {
	case "hub":
		serve(*cert, *key, proxyTo(*target, *token, *impersonate))
	case "client":
		connect(*hub)
	default:
		log.Fatalf("unknown role %s", os.Args[1])
	}
}

// proxyTo gives the proxy, and the transport that must be given the tunnel's dialer.
func proxyTo(target, token, impersonate string) *httputil.ReverseProxy {
	to := &url.URL{Scheme: "https", Host: target}
	return &httputil.ReverseProxy{
		// Events of a watch must not wait.
		FlushInterval: -1,
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(to)
			if token != "" {
				request.Out.Header.Set("Authorization", "Bearer "+token)
			}
			if impersonate != "" {
				request.Out.Header.Set("Impersonate-User", impersonate)
			}
		},
	}
}

func serve(cert, key string, proxy *httputil.ReverseProxy) {
	tunnel := remotedialer.New(func(*http.Request) (string, bool, error) { return member, true, nil }, remotedialer.DefaultErrorWriter)
	proxy.Transport = &http.Transport{
		DialContext: tunnel.Dialer(member),
		// The bench's certificates are of its own CA; that a name is checked costs nothing that is measured here.
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		MaxIdleConnsPerHost: 512,
	}
	mux := http.NewServeMux()
	mux.Handle("/connect", tunnel)
	mux.Handle("/", proxy)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	// Callers of both sides speak HTTP/1.1.
	server := &http.Server{Handler: mux, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	log.Fatal(server.ServeTLS(listener, cert, key))
}

func connect(hub string) {
	dialer := &websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, HandshakeTimeout: 10 * time.Second}
	all := func(string, string) bool { return true }
	told := func(context.Context, *remotedialer.Session) error {
		fmt.Println("connected")
		return nil
	}
	for {
		_ = remotedialer.ClientConnect(context.Background(), "wss://"+hub+"/connect", http.Header{}, dialer, all, told)
	}
}
