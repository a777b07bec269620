// Command river brings River's tables to the newest version, with River's own migrator.
//
// It knows the commands and flags of River's command line program that the entry point needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const usage = `Usage:
  river migrate-up [--database-url URL]   applies the migrations that are missing
  river validate [--database-url URL]     fails when migrations are missing
  river version                           prints River's version

Without --database-url, DATABASE_URL names the database.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("no command\n%s", usage)
	}
	switch arguments[0] {
	case "help", "--help", "-h":
		fmt.Println(usage)
		return nil
	case "version", "--version":
		fmt.Println("River version", riverVersion())
		return nil
	case "migrate-up":
		return withMigrator(ctx, arguments, migrateUp)
	case "validate":
		return withMigrator(ctx, arguments, validate)
	default:
		return fmt.Errorf("unknown command %q\n%s", arguments[0], usage)
	}
}

type migrator = rivermigrate.Migrator[pgx.Tx]

func withMigrator(ctx context.Context, arguments []string, do func(context.Context, *migrator) error) error {
	flags := flag.NewFlagSet("river "+arguments[0], flag.ExitOnError)
	url := flags.String("database-url", os.Getenv("DATABASE_URL"), "`URL` of the database (environment: DATABASE_URL)")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	if *url == "" {
		return fmt.Errorf("no database is named: give --database-url or set DATABASE_URL")
	}
	pool, err := pgxpool.New(ctx, *url)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer pool.Close()
	migrations, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	return do(ctx, migrations)
}

func migrateUp(ctx context.Context, migrations *migrator) error {
	result, err := migrations.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return fmt.Errorf("migrating River's tables: %w", err)
	}
	for _, version := range result.Versions {
		fmt.Printf("applied River migration %d %s\n", version.Version, version.Name)
	}
	return nil
}

func validate(ctx context.Context, migrations *migrator) error {
	result, err := migrations.Validate(ctx, nil)
	if err != nil {
		return err
	}
	if !result.OK {
		return fmt.Errorf("River's tables are not up to date: %v", result.Messages)
	}
	return nil
}

// riverVersion is what go.mod says, as the compiler recorded it in the program.
func riverVersion() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "github.com/riverqueue/river" {
				return module.Version
			}
		}
	}
	return "unknown"
}
