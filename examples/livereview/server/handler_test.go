package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(t *testing.T, healthy error, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	handler := newHandler(&reviews{}, func(context.Context) error { return healthy })
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest(method, path, strings.NewReader(body)))
	return response
}

func TestAnswersWithoutADatabase(t *testing.T) {
	for name, test := range map[string]struct {
		method, path, body string
		healthy            error
		status             int
		says               string
	}{
		"healthy":            {"GET", "/health", "", nil, http.StatusOK, `"ok"`},
		"no database":        {"GET", "/health", "", errors.New("secret detail"), http.StatusServiceUnavailable, "does not answer"},
		"version":            {"GET", "/api/version", "", nil, http.StatusOK, `"version":"development"`},
		"no JSON":            {"POST", "/api/reviews", "{", nil, http.StatusBadRequest, "not JSON"},
		"too long":           {"POST", "/api/reviews", `{"title":"` + strings.Repeat("x", requestBytesMax), nil, http.StatusBadRequest, "too large"},
		"no title":           {"POST", "/api/reviews", `{"title":" ","author":"a"}`, nil, http.StatusBadRequest, "a title and an author"},
		"no text":            {"POST", "/api/reviews", `{"title":"t","author":"a","diff":"\u0000"}`, nil, http.StatusBadRequest, "NUL"},
		"no number":          {"GET", "/api/reviews/x", "", nil, http.StatusNotFound, "no such review"},
		"no verb":            {"POST", "/api/reviews/1/merge", "", nil, http.StatusMethodNotAllowed, ""},
		"page before its UI": {"GET", "/", "", nil, http.StatusOK, "<!doctype html>"},
	} {
		t.Run(name, func(t *testing.T) {
			response := ask(t, test.healthy, test.method, test.path, test.body)
			body := response.Body.String()
			if response.Code != test.status || !strings.Contains(body, test.says) {
				t.Errorf("got %d %q, want %d with %q", response.Code, body, test.status, test.says)
			}
			if strings.Contains(body, "secret detail") {
				t.Errorf("clients are told about the inside: %q", body)
			}
			if policy := response.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "'self'") {
				t.Errorf("the policy is %q", policy)
			}
		})
	}
}
