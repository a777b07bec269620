package webui

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func check(t *testing.T, files, otherwise fs.FS, want string) {
	t.Helper()
	page, err := fs.ReadFile(built(files, otherwise), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != want {
		t.Errorf("index.html is %q, want %q", page, want)
	}
}

func TestABuiltInterfaceIsServed(t *testing.T) {
	check(t, fstest.MapFS{"index.html": {Data: []byte("built")}}, folder(notBuilt, "notbuilt"), "built")
}

func TestWithoutABuildThereIsStillAPage(t *testing.T) {
	check(t, fstest.MapFS{".placeholder": {}}, fstest.MapFS{"index.html": {Data: []byte("plain")}}, "plain")
}

func TestTheProgramAlwaysHasAPage(t *testing.T) {
	if _, err := fs.Stat(Files(), "index.html"); err != nil {
		t.Error(err)
	}
}
