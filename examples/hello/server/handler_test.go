package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

// get asks the web site of an image whose certificates are as given.
func get(t *testing.T, path string, certificates Certificates) (*http.Response, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler := newHandler(func() Certificates { return certificates })
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	response := recorder.Result()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func getHello(t *testing.T, path string, certificates Certificates) Hello {
	t.Helper()
	response, body := get(t, path, certificates)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s: %s", path, response.Status, body)
	}
	var hello Hello
	if err := json.Unmarshal([]byte(body), &hello); err != nil {
		t.Fatal(err)
	}
	return hello
}

func TestHealthIsAnsweredPlainly(t *testing.T) {
	response, body := get(t, "/healthz", Certificates{})
	if response.StatusCode != http.StatusOK || body != "ok\n" {
		t.Errorf("got %s and %q", response.Status, body)
	}
}

func TestHelloNamesVersionAndPlatform(t *testing.T) {
	hello := getHello(t, "/api/hello", Certificates{Loaded: true})
	if hello.Version != "development" {
		t.Errorf("version is %q", hello.Version)
	}
	if want := runtime.GOOS + "/" + runtime.GOARCH; !strings.HasPrefix(hello.Platform, want) {
		t.Errorf("platform is %q, want %q", hello.Platform, want)
	}
	if !hello.Certificates.Loaded {
		t.Error("the certificates were loaded and are reported as missing")
	}
}

func TestMissingCertificatesAreReported(t *testing.T) {
	hello := getHello(t, "/api/hello", Certificates{Error: "no such file"})
	if hello.Certificates.Loaded || hello.Certificates.Error != "no such file" {
		t.Errorf("got %+v", hello.Certificates)
	}
}

func TestWithoutAZoneItIsUTC(t *testing.T) {
	if zone := getHello(t, "/api/hello", Certificates{}).Zone; zone.Name != "UTC" || zone.Offset != "+00:00" {
		t.Errorf("got %+v", zone)
	}
}

func TestAZoneIsLookedUp(t *testing.T) {
	if zone := getHello(t, "/api/hello?zone=Asia/Kolkata", Certificates{}).Zone; zone.Offset != "+05:30" || zone.Abbreviation != "IST" {
		t.Errorf("got %+v", zone)
	}
}

func TestAnUnknownZoneIsTheClientsMistake(t *testing.T) {
	for _, zone := range []string{"Europe/Atlantis", "../../etc/passwd", "/etc/localtime"} {
		response, body := get(t, "/api/hello?zone="+zone, Certificates{})
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(body, zone) {
			t.Errorf("%s: got %s and %s", zone, response.Status, body)
		}
	}
}

func TestThePageIsServedAndNotKept(t *testing.T) {
	response, body := get(t, "/", Certificates{})
	if response.StatusCode != http.StatusOK || !strings.Contains(body, "<title>hello</title>") {
		t.Errorf("got %s and %s", response.Status, body)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := response.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'self'") {
		t.Errorf("Content-Security-Policy is %q", got)
	}
}

func TestNothingCanBePosted(t *testing.T) {
	recorder := httptest.NewRecorder()
	newHandler(systemCertificates).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/api/hello", nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("got %d", recorder.Code)
	}
}
