package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"example.com/hello/webui"
)

// newHandler gives the whole web site. certificates says whether the image's certificate authorities
// could be loaded; it is a parameter because Go reads them once a process, which no test could vary.
func newHandler(certificates func() Certificates) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /healthz", func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = response.Write([]byte("ok\n"))
	})
	routes.HandleFunc("GET /api/hello", func(response http.ResponseWriter, request *http.Request) {
		zone := request.URL.Query().Get("zone")
		hello, err := describe(zone, time.Now(), certificates())
		if err != nil {
			writeJSON(response, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		writeJSON(response, http.StatusOK, hello)
	})
	routes.Handle("GET /", cached(http.FileServerFS(webui.Files())))
	return secured(routes)
}

func writeJSON(response http.ResponseWriter, status int, body any) {
	response.Header().Set("Content-Type", "application/json; charset=utf-8")
	response.Header().Set("Cache-Control", "no-store")
	response.WriteHeader(status)
	// The status has gone out: a client that hangs up now cannot be told anything any more.
	_ = json.NewEncoder(response).Encode(body)
}

// cached lets browsers keep what Vite has named after its content, and ask again for all else.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if strings.HasPrefix(request.URL.Path, "/assets/") {
			response.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			response.Header().Set("Cache-Control", "no-cache")
		}
		next.ServeHTTP(response, request)
	})
}

// secured lets the page load nothing from anywhere else.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		response.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(response, request)
	})
}
