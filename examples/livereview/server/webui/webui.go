// Package webui holds the built user interface inside the program, so that the image needs one file.
package webui

import (
	"embed"
	"io/fs"
)

// dist is filled by the build of ../../ui; git keeps only a placeholder in it, so that `go build` and
// `go test` work on a fresh checkout. `all:` takes the placeholder, whose name starts with a dot.
//
//go:embed all:dist
var dist embed.FS

// notBuilt is served by a program that was compiled before its user interface.
//
//go:embed notbuilt
var notBuilt embed.FS

// Files gives the user interface, or one plain page where it has not been built.
func Files() fs.FS {
	return built(folder(dist, "dist"), folder(notBuilt, "notbuilt"))
}

func built(files, otherwise fs.FS) fs.FS {
	if _, err := fs.Stat(files, "index.html"); err != nil {
		return otherwise
	}
	return files
}

func folder(files embed.FS, name string) fs.FS {
	inside, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // The two names are constants, and the compiler has found the folders.
	}
	return inside
}
