package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestInspectSaysNoMoreThanIsRead(t *testing.T) {
	diff := "+++ b/x\n@@ -0,0 +1,9999 @@\n" + strings.Repeat("+ \n", 9999)
	if got := len(inspect(diff)); got != commentsMax {
		t.Errorf("got %d comments, want %d", got, commentsMax)
	}
}

func TestInspect(t *testing.T) {
	long := strings.Repeat("ä", lineLengthMax+1)
	for name, test := range map[string]struct {
		diff string
		want []comment
	}{
		"nothing to say": {"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n", nil},
		"lines are the new file's": {
			"+++ b/go.mod\n@@ -7,3 +40,5 @@ func\n context\n-gone \n+a\n+TODO: b\r\n context\n+c \n",
			[]comment{
				{"go.mod", 41 + 1, "there is work left here; open an issue for it"},
				{"go.mod", 41 + 3, "the line ends with white space"},
			},
		},
		"each file has its own lines": {
			"+++ b/x\n@@ -0,0 +5 @@\n+x\n+++ b/y\n@@ -0,0 +1,2 @@\n+<<<<<<< HEAD\n+FIXME\t\n",
			[]comment{
				{"y", 1, "this marks a conflict that was not resolved"},
				{"y", 2, "the line ends with white space"},
				{"y", 2, "there is work left here; open an issue for it"},
			},
		},
		"characters are counted, not bytes": {
			"+++ b/x\n@@ -1 +1,2 @@\n+" + long + "\n+" + long[2:] + "\n",
			[]comment{{"x", 1, "the line has 121 characters, more than 120"}},
		},
		"a hunk's lines are counted": {
			"+++ b/x\n@@ -1,2 +1,2 @@\n--- i;\n-j\n+++ i;\n+TODO\n",
			[]comment{{"x", 2, "there is work left here; open an issue for it"}},
		},
		"numbers beyond all files": {"+++ b/x\n@@ -1 +3000000000 @@\n+TODO\n", nil},
		"what is no diff has no lines": {"TODO\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := inspect(test.diff); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
		})
	}
}
