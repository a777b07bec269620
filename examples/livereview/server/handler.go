package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/livereview/webui"
)

const (
	// requestBytesMax is the longest request, most of which is a diff.
	requestBytesMax = 1 << 20

	// healthTimeout is how long the database may take to answer.
	healthTimeout = 3 * time.Second
)

// newHandler gives the whole web site. healthy says whether the database answers.
func newHandler(reviews *reviews, healthy func(context.Context) error) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /health", func(response http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithTimeout(request.Context(), healthTimeout)
		defer cancel()
		if err := healthy(ctx); err != nil {
			slog.Warn("the database does not answer", "error", err)
			answer(response, http.StatusServiceUnavailable, map[string]string{"error": "the database does not answer"})
			return
		}
		answer(response, http.StatusOK, map[string]string{"status": "ok"})
	})
	routes.HandleFunc("GET /api/version", func(response http.ResponseWriter, _ *http.Request) {
		answer(response, http.StatusOK, map[string]string{"version": version, "commit": gitCommit, "builtAt": buildTime})
	})
	routes.HandleFunc("GET /api/reviews", func(response http.ResponseWriter, request *http.Request) {
		found, err := reviews.list(request.Context())
		answerOr(response, http.StatusOK, found, err)
	})
	routes.HandleFunc("POST /api/reviews", func(response http.ResponseWriter, request *http.Request) {
		var wanted struct{ Title, Author, Diff string }
		body := http.MaxBytesReader(response, request.Body, requestBytesMax)
		if err := json.NewDecoder(body).Decode(&wanted); err != nil {
			answer(response, http.StatusBadRequest, map[string]string{"error": "the request is not JSON: " + err.Error()})
			return
		}
		if strings.TrimSpace(wanted.Title) == "" || strings.TrimSpace(wanted.Author) == "" {
			answer(response, http.StatusBadRequest, map[string]string{"error": "a review has a title and an author"})
			return
		}
		if strings.ContainsRune(wanted.Title+wanted.Author+wanted.Diff, 0) {
			answer(response, http.StatusBadRequest, map[string]string{"error": "a review is text, without the character NUL"})
			return
		}
		opened, err := reviews.open(request.Context(), wanted.Title, wanted.Author, wanted.Diff)
		answerOr(response, http.StatusCreated, opened, err)
	})
	routes.HandleFunc("GET /api/reviews/{id}", func(response http.ResponseWriter, request *http.Request) {
		if id, ok := number(response, request); ok {
			found, err := reviews.find(request.Context(), id)
			answerOr(response, http.StatusOK, found, err)
		}
	})
	for verb, state := range map[string]string{"approve": "approved", "reject": "rejected"} {
		routes.HandleFunc("POST /api/reviews/{id}/"+verb, func(response http.ResponseWriter, request *http.Request) {
			if id, ok := number(response, request); ok {
				err := reviews.judge(request.Context(), id, state)
				answerOr(response, http.StatusOK, map[string]string{"state": state}, err)
			}
		})
	}
	routes.Handle("GET /", http.FileServerFS(webui.Files()))
	return secured(routes)
}

// number gives the review that the path names, or has answered that it names none.
func number(response http.ResponseWriter, request *http.Request) (int64, bool) {
	id, err := strconv.ParseInt(request.PathValue("id"), 10, 64)
	if err != nil {
		answer(response, http.StatusNotFound, map[string]string{"error": errNotFound.Error()})
	}
	return id, err == nil
}

// answerOr tells what was found. What went wrong inside is for the log; clients learn nothing of the database from it.
func answerOr(response http.ResponseWriter, status int, body any, err error) {
	switch {
	case err == nil:
		answer(response, status, body)
	case errors.Is(err, errNotFound):
		answer(response, http.StatusNotFound, map[string]string{"error": err.Error()})
	default:
		slog.Error("a request failed", "error", err)
		answer(response, http.StatusInternalServerError, map[string]string{"error": "the server could not do this; its log says why"})
	}
}

func answer(response http.ResponseWriter, status int, body any) {
	response.Header().Set("Content-Type", "application/json; charset=utf-8")
	response.Header().Set("Cache-Control", "no-store")
	response.WriteHeader(status)
	// The status has gone out: a client that hangs up now cannot be told anything any more.
	_ = json.NewEncoder(response).Encode(body)
}

// secured lets the page load nothing from anywhere else.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		response.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(response, request)
	})
}
