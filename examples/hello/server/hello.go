package main

import (
	"crypto/x509"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// Hello is what /api/hello answers.
type Hello struct {
	Version      string       `json:"version"`
	Platform     string       `json:"platform"`
	OS           string       `json:"os"`
	Architecture string       `json:"architecture"`
	Variant      string       `json:"variant,omitempty"`
	Go           string       `json:"go"`
	Zone         Zone         `json:"zone"`
	Certificates Certificates `json:"certificates"`
}

// Zone is a look-up in the image's time zone database.
type Zone struct {
	Name         string `json:"name"`
	Abbreviation string `json:"abbreviation"`
	Offset       string `json:"offset"`
	Time         string `json:"time"`
}

// Certificates tells whether the image has certificate authorities, without which no TLS server can be trusted.
type Certificates struct {
	Loaded bool   `json:"loaded"`
	Error  string `json:"error,omitempty"`
}

// describe looks zoneName up on every call: the answer is wrong in an image without tzdata, and that is its purpose.
func describe(zoneName string, now time.Time, certificates Certificates) (Hello, error) {
	location, err := time.LoadLocation(zoneName)
	if err != nil {
		return Hello{}, fmt.Errorf("no time zone %q in this image: %w", zoneName, err)
	}
	local := now.In(location)
	abbreviation, _ := local.Zone()
	return Hello{
		Version:      version,
		Platform:     platform(),
		OS:           runtime.GOOS,
		Architecture: runtime.GOARCH,
		Variant:      variant(),
		Go:           runtime.Version(),
		Zone: Zone{
			Name:         location.String(),
			Abbreviation: abbreviation,
			Offset:       local.Format("-07:00"),
			Time:         local.Format(time.RFC3339),
		},
		Certificates: certificates,
	}, nil
}

// platform is written as in an image index: os/architecture[/variant].
func platform() string {
	name := runtime.GOOS + "/" + runtime.GOARCH
	if variant := variant(); variant != "" {
		name += "/" + variant
	}
	return name
}

// variant gives v7 for GOARM=7. It is read from what the compiler recorded in the program, because a
// CPU can be newer than what the program was built for.
func variant() string {
	build, ok := debug.ReadBuildInfo()
	if !ok || runtime.GOARCH != "arm" {
		return ""
	}
	for _, setting := range build.Settings {
		if setting.Key == "GOARM" && setting.Value != "" {
			return "v" + setting.Value[:1] // GOARM may be "7,softfloat"
		}
	}
	return ""
}

func systemCertificates() Certificates {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return Certificates{Error: err.Error()}
	}
	// Where no bundle is found, Go gives an empty pool and no error.
	return Certificates{Loaded: !pool.Equal(x509.NewCertPool())}
}
