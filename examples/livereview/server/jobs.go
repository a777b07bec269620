package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// inspectionsMax is how many diffs are looked at at a time.
const inspectionsMax = 4

// inspection is the job that looks at one review's diff.
type inspection struct {
	Review int64 `json:"review"`
}

// Kind is the name of the job in River's tables and on its page.
func (inspection) Kind() string { return "inspection" }

type inspector struct {
	river.WorkerDefaults[inspection]
	pool *pgxpool.Pool
}

// Work replaces the review's comments, so that a job that ran twice leaves what one leaves.
func (i *inspector) Work(ctx context.Context, job *river.Job[inspection]) error {
	return pgx.BeginFunc(ctx, i.pool, func(tx pgx.Tx) error {
		var diff string
		if err := tx.QueryRow(ctx, "SELECT diff FROM reviews WHERE id = $1 FOR UPDATE", job.Args.Review).Scan(&diff); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM comments WHERE review = $1", job.Args.Review); err != nil {
			return err
		}
		for _, found := range inspect(diff) {
			_, err := tx.Exec(ctx, "INSERT INTO comments (review, file, line, text) VALUES ($1, $2, $3, $4)",
				job.Args.Review, found.File, found.Line, found.Text)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func newJobs(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &inspector{pool: pool})
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: inspectionsMax}},
		Workers: workers,
	})
}
