// The opponent of bench/streams: the smallest Go provider, behind the HTTP server of github.com/virtual-kubelet/virtual-kubelet set up as
// its nodeutil package does (TLS, HTTP/1.1). Serves one log from memory and runs two commands: "flood N" writes N bytes, "cat" echoes.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
)

const pieceBytes = 32 * 1024

// memory hides every method of the reader but Read: a log that is read piece by piece, as from any backend.
type memory struct{ io.Reader }

func (memory) Close() error { return nil }

func lines(size int) []byte {
	text := bytes.NewBuffer(make([]byte, 0, size+100))
	for n := 0; text.Len() < size; n++ {
		fmt.Fprintf(text, "%010d %088d\n", n, 0)
	}
	return text.Bytes()[:size]
}

func run(_ context.Context, _, _, _ string, command []string, attach api.AttachIO) error {
	if len(command) == 0 {
		return fmt.Errorf("no command")
	}
	stdout := attach.Stdout()
	defer stdout.Close()
	if command[0] == "cat" {
		_, err := io.Copy(stdout, attach.Stdin())
		return err
	}
	left, err := strconv.Atoi(command[len(command)-1])
	if err != nil {
		return err
	}
	piece := make([]byte, pieceBytes)
	for left > 0 {
		n, err := stdout.Write(piece[:min(left, pieceBytes)])
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

func main() {
	certificate := flag.String("cert", "", "PEM file")
	key := flag.String("key", "", "PEM file")
	size := flag.Int("bytes", 100<<20, "of the log")
	http2 := flag.Bool("http2", false, "offer HTTP/2, which nodeutil does not")
	flag.Parse()
	content := lines(*size)
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if *http2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	api.AttachPodRoutes(api.PodHandlerConfig{
		RunInContainer: run,
		GetContainerLogs: func(context.Context, string, string, string, api.ContainerLogOpts) (io.ReadCloser, error) {
			return memory{bytes.NewReader(content)}, nil
		},
		StreamIdleTimeout:     4 * time.Hour,
		StreamCreationTimeout: 30 * time.Second,
	}, mux, false)
	fmt.Fprintln(os.Stdout, listener.Addr())
	server := &http.Server{Handler: mux, TLSConfig: config, ReadHeaderTimeout: 30 * time.Second}
	log.Fatal(server.Serve(listener))
}
