package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func emptyEnvironment(string) string { return "" }

func TestVersionIsPrinted(t *testing.T) {
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"--version"}, emptyEnvironment, &stdout, io.Discard); err != nil {
		t.Fatal(err)
	}
	if want := "hello development " + runtime.GOOS + "/" + runtime.GOARCH; !strings.HasPrefix(stdout.String(), want) {
		t.Errorf("got %q, want %q", stdout.String(), want)
	}
}

func TestUnknownArgumentsAreRefused(t *testing.T) {
	for _, argument := range []string{"--no-such-flag", "stray"} {
		if err := run(t.Context(), []string{argument}, emptyEnvironment, io.Discard, io.Discard); err == nil {
			t.Errorf("%s was accepted", argument)
		}
	}
}

func TestTheAddressComesFromTheEnvironmentUnlessAFlagNamesOne(t *testing.T) {
	// The health check fails at once on an address that cannot be parsed and names it.
	environment := func(name string) string { return map[string]string{"HELLO_ADDR": "from-environment"}[name] }
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--healthcheck"}, "from-environment"},
		{[]string{"--healthcheck", "--addr", "from-flag"}, "from-flag"},
	} {
		err := run(t.Context(), test.arguments, environment, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want an error about %s", test.arguments, err, test.want)
		}
	}
}

func TestTheHealthCheckConnectsToWhereTheServerListens(t *testing.T) {
	for address, want := range map[string]string{
		":8080":          "http://127.0.0.1:8080/healthz",
		"0.0.0.0:80":     "http://127.0.0.1:80/healthz",
		"[::]:8080":      "http://[::1]:8080/healthz",
		"192.0.2.1:8080": "http://192.0.2.1:8080/healthz",
		"localhost:1":    "http://localhost:1/healthz",
	} {
		if got, err := healthURL(address); err != nil || got != want {
			t.Errorf("%s: got %q and %v, want %q", address, got, err, want)
		}
	}
}

// start runs a real server on a free port until the test or stop ends it.
func start(t *testing.T, handler http.Handler) (address string, stop context.CancelFunc, ended <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, handler, slog.New(slog.DiscardHandler)) }()
	return listener.Addr().String(), stop, served
}

func TestTheHealthCheckOfARunningServerIsGood(t *testing.T) {
	address, stop, ended := start(t, newHandler(systemCertificates))
	if err := run(t.Context(), []string{"--healthcheck", "--addr", address}, emptyEnvironment, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := checkHealth(t.Context(), address); err == nil {
		t.Error("the server has ended and is still called healthy")
	}
}

func TestTheHealthCheckOfAFailingServerIsBad(t *testing.T) {
	address, stop, _ := start(t, http.NotFoundHandler())
	defer stop()
	if err := checkHealth(t.Context(), address); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want an error about 404", err)
	}
}

func TestShutdownLetsARunningRequestFinish(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	address, stop, ended := start(t, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/healthz" {
			return
		}
		close(entered)
		<-leave
		_, _ = io.WriteString(response, "finished")
	}))

	answered := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + address)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = response.Body.Close() }()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-entered
	stop()

	// New requests are refused from now on, while the old one still waits.
	for checkHealth(t.Context(), address) == nil {
		time.Sleep(time.Millisecond)
	}
	close(leave)
	if got := <-answered; got != "finished" {
		t.Errorf("the running request got %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
