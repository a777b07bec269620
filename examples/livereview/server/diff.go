package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// lineLengthMax is where a line begins to be hard to review side by side.
	lineLengthMax = 120

	// commentsMax is how many comments a diff gets. Nobody reads more.
	commentsMax = 500
)

// comment is what the reviewer says of one line.
type comment struct {
	File string `json:"file"`
	Line int32  `json:"line"`
	Text string `json:"text"`
}

// @@ -1,3 +10,4 @@: three lines of the old file, and four of the new one, which begin at its line 10.
var hunk = regexp.MustCompile(`^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@`)

// inspect gives the comments on the lines that a unified diff adds, in the diff's order.
func inspect(diff string) []comment {
	var comments []comment
	var file string
	// The number of the next line of the new file, and how many lines of both files the hunk still has.
	var line, old, added int32
	for text := range strings.Lines(diff) {
		text = strings.TrimRight(text, "\r\n")
		switch {
		case old > 0 && strings.HasPrefix(text, "-"):
			old--
		case added > 0 && strings.HasPrefix(text, "+"):
			for _, remark := range remarks(text[1:]) {
				comments = append(comments, comment{File: file, Line: line, Text: remark})
			}
			line, added = line+1, added-1
		case old > 0 && added > 0 && (text == "" || strings.HasPrefix(text, " ")):
			line, old, added = line+1, old-1, added-1
		case strings.HasPrefix(text, "+++ "):
			file = strings.TrimPrefix(strings.TrimPrefix(text, "+++ "), "b/")
		case strings.HasPrefix(text, "@@ "):
			line, old, added = begin(text)
		}
		if len(comments) >= commentsMax {
			return comments[:commentsMax]
		}
	}
	return comments
}

// begin reads where a hunk begins in the new file, and how many lines of both files it has; none when it makes no sense.
func begin(text string) (line, old, added int32) {
	fields := hunk.FindStringSubmatch(text)
	if fields == nil {
		return 0, 0, 0
	}
	numbers := make([]int32, 3)
	for index, field := range fields[1:] {
		if field == "" {
			field = "1"
		}
		number, err := strconv.ParseInt(field, 10, 32)
		if err != nil {
			return 0, 0, 0
		}
		numbers[index] = int32(number)
	}
	return numbers[1], numbers[0], numbers[2]
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
