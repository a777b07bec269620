package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"example.com/livereview/webui"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	requestBytesMax = 64 << 10
	reviewsMax      = 100
)

type review struct {
	ID     int64  `json:"id"`
	Title  string `json:"title"`
	Author string `json:"author"`
	State  string `json:"state"`
}

func newHandler(pool *pgxpool.Pool) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /health", func(response http.ResponseWriter, request *http.Request) {
		if err := pool.Ping(request.Context()); err != nil {
			fail(response, http.StatusServiceUnavailable, err)
			return
		}
		answer(response, http.StatusOK, map[string]string{"status": "ok"})
	})
	routes.HandleFunc("GET /api/version", func(response http.ResponseWriter, _ *http.Request) {
		answer(response, http.StatusOK, map[string]string{"version": version, "commit": gitCommit, "builtAt": buildTime})
	})
	routes.HandleFunc("GET /api/reviews", func(response http.ResponseWriter, request *http.Request) {
		reviews, err := query(request.Context(), pool,
			"SELECT id, title, author, state FROM reviews ORDER BY id DESC LIMIT $1", reviewsMax)
		if err != nil {
			fail(response, http.StatusInternalServerError, err)
			return
		}
		answer(response, http.StatusOK, reviews)
	})
	routes.HandleFunc("POST /api/reviews", func(response http.ResponseWriter, request *http.Request) {
		var wanted review
		body := http.MaxBytesReader(response, request.Body, requestBytesMax)
		if err := json.NewDecoder(body).Decode(&wanted); err != nil {
			fail(response, http.StatusBadRequest, err)
			return
		}
		if strings.TrimSpace(wanted.Title) == "" || strings.TrimSpace(wanted.Author) == "" {
			fail(response, http.StatusBadRequest, errors.New("a review has a title and an author"))
			return
		}
		reviews, err := query(request.Context(), pool,
			"INSERT INTO reviews (title, author) VALUES ($1, $2) RETURNING id, title, author, state", wanted.Title, wanted.Author)
		if err != nil {
			fail(response, http.StatusInternalServerError, err)
			return
		}
		answer(response, http.StatusCreated, reviews[0])
	})
	routes.Handle("GET /", http.FileServerFS(webui.Files()))
	return routes
}

func query(ctx context.Context, pool *pgxpool.Pool, sql string, arguments ...any) ([]review, error) {
	rows, err := pool.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[review])
}

func fail(response http.ResponseWriter, status int, err error) {
	answer(response, status, map[string]string{"error": err.Error()})
}

func answer(response http.ResponseWriter, status int, body any) {
	response.Header().Set("Content-Type", "application/json; charset=utf-8")
	response.Header().Set("Cache-Control", "no-store")
	response.WriteHeader(status)
	// The status has gone out: a client that hangs up now cannot be told anything any more.
	_ = json.NewEncoder(response).Encode(body)
}
