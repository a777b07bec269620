// Command livereview is the server of a small code review service: an API on PostgreSQL, and its page.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Set by the linker: -ldflags "-X main.version=1.2.3".
var (
	version   = "development"
	buildTime = "unknown"
	gitCommit = "unknown"
)

const (
	// Orchestrators send SIGKILL ten seconds after SIGTERM or later. The last requests and then the last jobs have this long each;
	// what is not done then is cut off.
	shutdownTimeout = 4 * time.Second

	// A client that sends its headers one byte at a time would otherwise hold a connection for ever.
	readHeaderTimeout = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "livereview:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	address := os.Getenv("LIVEREVIEW_ADDR")
	if address == "" {
		address = ":8888"
	}
	flags := flag.NewFlagSet("livereview", flag.ContinueOnError)
	flags.StringVar(&address, "addr", address, "`address` to listen on (environment: LIVEREVIEW_ADDR)")
	database := flags.String("database-url", os.Getenv("DATABASE_URL"), "`URL` of the database (environment: DATABASE_URL)")
	showVersion := flags.Bool("version", false, "print the version, then exit")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *showVersion {
		_, err := fmt.Printf("livereview %s (commit %s, built at %s)\n", version, gitCommit, buildTime)
		return err
	}
	if *database == "" {
		return errors.New("no database is named: give --database-url or set DATABASE_URL")
	}
	pool, err := pgxpool.New(ctx, *database)
	if err != nil {
		return fmt.Errorf("the database's address: %w", err)
	}
	defer pool.Close()
	jobs, err := newJobs(pool)
	if err != nil {
		return fmt.Errorf("the job queue: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	// Jobs stop by Stop, which lets running ones finish, and not when ctx is done, which would cut them off.
	if err := jobs.Start(context.WithoutCancel(ctx)); err != nil {
		return errors.Join(fmt.Errorf("starting the job queue: %w", err), listener.Close())
	}
	err = serve(ctx, listener, newHandler(&reviews{pool: pool, jobs: jobs}, pool.Ping))
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if stopped := jobs.Stop(deadline); stopped != nil {
		return errors.Join(err, stopped, jobs.StopAndCancel(context.WithoutCancel(ctx)))
	}
	return err
}

// serve answers requests until ctx is done, then lets the running ones finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	slog.Info("listening", "address", listener.Addr().String(), "version", version)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		// Ends the requests that still wait, so that they give their database connections back.
		return errors.Join(err, server.Close())
	}
	return nil
}
