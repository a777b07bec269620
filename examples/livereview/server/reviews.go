package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
)

// reviewsMax is how many reviews a list has.
const reviewsMax = 100

// errNotFound says that there is no such review.
var errNotFound = errors.New("there is no such review")

type review struct {
	ID       int64     `json:"id"`
	Title    string    `json:"title"`
	Author   string    `json:"author"`
	State    string    `json:"state"`
	Comments []comment `json:"comments,omitempty"`
}

// reviews keeps reviews in the database, and has a job of River's look at each.
type reviews struct {
	pool *pgxpool.Pool
	jobs *river.Client[pgx.Tx]
}

// open adds a review, and in the same transaction the job that looks at its diff: neither is there without the other.
func (r *reviews) open(ctx context.Context, title, author, diff string) (opened review, err error) {
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		row := tx.QueryRow(ctx,
			"INSERT INTO reviews (title, author, diff) VALUES ($1, $2, $3) RETURNING id, title, author, state",
			title, author, diff)
		if err := row.Scan(&opened.ID, &opened.Title, &opened.Author, &opened.State); err != nil {
			return err
		}
		_, err := r.jobs.InsertTx(ctx, tx, inspection{Review: opened.ID}, nil)
		return err
	})
	return opened, err
}

// list gives the newest reviews, without their comments.
func (r *reviews) list(ctx context.Context) ([]review, error) {
	rows, err := r.pool.Query(ctx, "SELECT id, title, author, state FROM reviews ORDER BY id DESC LIMIT $1", reviewsMax)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (found review, err error) {
		err = row.Scan(&found.ID, &found.Title, &found.Author, &found.State)
		return found, err
	})
}

// find gives one review with its comments.
func (r *reviews) find(ctx context.Context, id int64) (found review, err error) {
	row := r.pool.QueryRow(ctx, "SELECT id, title, author, state FROM reviews WHERE id = $1", id)
	err = row.Scan(&found.ID, &found.Title, &found.Author, &found.State)
	if errors.Is(err, pgx.ErrNoRows) {
		return found, errNotFound
	}
	if err != nil {
		return found, err
	}
	rows, err := r.pool.Query(ctx, "SELECT file, line, text FROM comments WHERE review = $1 ORDER BY id", id)
	if err != nil {
		return found, err
	}
	found.Comments, err = pgx.CollectRows(rows, pgx.RowToStructByPos[comment])
	return found, err
}

// judge approves or rejects a review.
func (r *reviews) judge(ctx context.Context, id int64, state string) error {
	tag, err := r.pool.Exec(ctx, "UPDATE reviews SET state = $2 WHERE id = $1", id, state)
	if err == nil && tag.RowsAffected() == 0 {
		return errNotFound
	}
	return err
}
