package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// lineLengthMax is where a line begins to be hard to review side by side.
const lineLengthMax = 120

// comment is what the reviewer says of one line.
type comment struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// @@ -1,3 +10,4 @@: the new file's lines begin at 10.
var hunk = regexp.MustCompile(`^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@`)

// inspect gives the comments on the lines that a unified diff adds, in the diff's order.
func inspect(diff string) []comment {
	var comments []comment
	var file string
	var line int
	for text := range strings.Lines(diff) {
		text = strings.TrimRight(text, "\r\n")
		switch {
		case strings.HasPrefix(text, "+++ "):
			file = strings.TrimPrefix(strings.TrimPrefix(text, "+++ "), "b/")
		case strings.HasPrefix(text, "@@ "):
			if start := hunk.FindStringSubmatch(text); start != nil {
				line, _ = strconv.Atoi(start[1])
			}
		case strings.HasPrefix(text, "+"):
			for _, remark := range remarks(text[1:]) {
				comments = append(comments, comment{File: file, Line: line, Text: remark})
			}
			line++
		case strings.HasPrefix(text, " "):
			line++
		}
	}
	return comments
}

func remarks(added string) []string {
	var found []string
	if length := utf8.RuneCountInString(added); length > lineLengthMax {
		found = append(found, fmt.Sprintf("the line has %d characters, more than %d", length, lineLengthMax))
	}
	if added != strings.TrimRight(added, " \t") {
		found = append(found, "the line ends with white space")
	}
	if strings.HasPrefix(added, "<<<<<<< ") || strings.HasPrefix(added, ">>>>>>> ") {
		found = append(found, "this marks a conflict that was not resolved")
	}
	if strings.Contains(added, "TODO") || strings.Contains(added, "FIXME") {
		found = append(found, "there is work left here; open an issue for it")
	}
	return found
}
