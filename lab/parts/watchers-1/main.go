// Command watchers watches ConfigMaps of one namespace on several contexts of a kubeconfig with one client-go process,
// as controllers of several clusters do. client-go puts all servers behind one host name on one HTTP/2 connection, which
// is what the test is about. It prints one JSON line for every event, every end of a watch and every list.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type line struct {
	Context string `json:"context"`
	Kind    string `json:"kind"` // listed, ADDED, MODIFIED, DELETED, broken, ended, failed
	Name    string `json:"name,omitempty"`
	Message string `json:"message,omitempty"`
	AtMs    int64  `json:"atMs"`
}

var printing sync.Mutex

func say(l line) {
	l.AtMs = time.Now().UnixMilli()
	printing.Lock()
	defer printing.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(l)
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: watchers KUBECONFIG NAMESPACE CONTEXT...")
		os.Exit(2)
	}
	var all sync.WaitGroup
	for _, name := range os.Args[3:] {
		all.Add(1)
		go func() {
			defer all.Done()
			follow(os.Args[1], os.Args[2], name)
		}()
	}
	all.Wait()
}

// follow lists once and watches from there for ever, from the last resource version that it saw.
func follow(file, namespace, name string) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
	if err != nil {
		say(line{Context: name, Kind: "failed", Message: err.Error()})
		return
	}
	client := kubernetes.NewForConfigOrDie(config).CoreV1().ConfigMaps(namespace)
	version := ""
	for {
		if version == "" {
			list, err := client.List(context.Background(), metav1.ListOptions{})
			if err != nil {
				say(line{Context: name, Kind: "failed", Message: err.Error()})
				time.Sleep(200 * time.Millisecond)
				continue
			}
			version = list.ResourceVersion
			say(line{Context: name, Kind: "listed"})
		}
		w, err := client.Watch(context.Background(), metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true})
		if err != nil {
			say(line{Context: name, Kind: "failed", Message: err.Error()})
			time.Sleep(200 * time.Millisecond)
			continue
		}
		version = drain(w, name, version)
		say(line{Context: name, Kind: "ended"})
	}
}

func drain(w watch.Interface, name, version string) string {
	defer w.Stop()
	for event := range w.ResultChan() {
		object, ok := event.Object.(*corev1.ConfigMap)
		if !ok {
			// A broken stream goes on where it stopped; only history that is gone asks for a new list.
			status, known := event.Object.(*metav1.Status)
			if known && status.Code == 410 {
				return ""
			}
			say(line{Context: name, Kind: "broken", Message: fmt.Sprintf("%v", event.Object)})
			return version
		}
		version = object.ResourceVersion
		if event.Type != watch.Bookmark {
			say(line{Context: name, Kind: string(event.Type), Name: object.Name})
		}
	}
	return version
}
