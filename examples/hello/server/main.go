// Command hello is a small web server that tells which platform it was built for.
//
// It serves an embedded user interface and one JSON resource. All that it needs from the image around
// it is what a real service needs: certificate authorities, time zones and an unprivileged user.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "development"

const (
	defaultAddress = ":8080"

	// Orchestrators send SIGKILL ten seconds after SIGTERM (docker stop) or later. Ending before that
	// lets the last requests finish and the log be written.
	shutdownTimeout = 8 * time.Second

	// A client that sends its headers one byte at a time would otherwise hold a connection for ever.
	readHeaderTimeout = 5 * time.Second
)

func main() {
	// As process 1 of a container the program gets no default action for SIGTERM: without this
	// line `docker stop` would wait ten seconds and then kill.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}

// errUsage is returned when the flag package has already told the user what was wrong.
var errUsage = errors.New("wrong usage")

func run(ctx context.Context, arguments []string, environment func(string) string, stdout, stderr io.Writer) error {
	address := environment("HELLO_ADDR")
	if address == "" {
		address = defaultAddress
	}
	flags := flag.NewFlagSet("hello", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&address, "addr", address, "`address` to listen on (environment: HELLO_ADDR)")
	showVersion := flags.Bool("version", false, "print the version and the platform, then exit")
	healthcheck := flags.Bool("healthcheck", false, "ask the server at --addr for /healthz, then exit with 0 or 1")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	switch {
	case *showVersion:
		_, err := fmt.Fprintf(stdout, "hello %s %s\n", version, platform())
		return err
	case *healthcheck:
		return checkHealth(ctx, address)
	default:
		return listenAndServe(ctx, address, slog.New(slog.NewTextHandler(stderr, nil)))
	}
}

func listenAndServe(ctx context.Context, address string, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return serve(ctx, listener, newHandler(systemCertificates), log)
}

// serve answers requests until ctx is done, then lets the running ones finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String(), "version", version, "platform", platform())

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}

	log.Info("shutting down")
	// The request's own context is done already: the time for a graceful end starts now.
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return fmt.Errorf("some requests did not finish in %s: %w", shutdownTimeout, err)
	}
	return nil
}
