package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"llmhub/yamldoc"
)

// brandName and brandValue are what a custom property is called and set to. Neither backslashes, which could hide a
// url(), nor what could end the declaration, the block or the style element are among the characters of a value.
var (
	brandName   = regexp.MustCompile(`^--[a-zA-Z][a-zA-Z0-9-]*$`)
	brandValue  = regexp.MustCompile(`^[a-zA-Z0-9 \t\r\n#%.,()+*/_'"-]+$`)
	brandCall   = regexp.MustCompile(`([a-zA-Z0-9_-]*)\(`)
	brandQuoted = regexp.MustCompile(`"[^"\r\n]*"|'[^'\r\n]*'`)
)

// brandCalls are the functions that values may use: colours and arithmetic, nothing that loads.
var brandCalls = map[string]bool{
	"": true, "rgb": true, "rgba": true, "hsl": true, "hsla": true, "hwb": true, "lab": true, "lch": true, "oklab": true, "oklch": true,
	"color": true, "color-mix": true, "light-dark": true, "var": true, "calc": true, "min": true, "max": true, "clamp": true,
}

// cssError is a fault in a style sheet, at an offset in bytes.
type cssError struct {
	at   int
	text string
}

// checkBrand insists that a style sheet holds blocks ":root { --name: value; … }" and comments only.
func checkBrand(text []byte) error {
	css := blankComments(string(text))
	for i := skipSpace(css, 0); i < len(css); i = skipSpace(css, i) {
		end, fault := checkBlock(css, i)
		if fault != nil {
			return fmt.Errorf("line %d: %s", 1+bytes.Count(text[:fault.at], []byte("\n")), fault.text)
		}
		i = end
	}
	return nil
}

// checkBlock checks the block that begins at i and returns where it ends.
func checkBlock(css string, i int) (end int, fault *cssError) {
	open := strings.IndexByte(css[i:], '{')
	if open < 0 || strings.TrimSpace(css[i:i+open]) != ":root" {
		return 0, &cssError{i, "only blocks of the form :root { --name: value; } are allowed"}
	}
	start := i + open + 1
	length := strings.IndexByte(css[start:], '}')
	if length < 0 {
		return 0, &cssError{i, "the block is not closed"}
	}
	end = start + length
	for at := start; at < end; {
		next := end
		if n := strings.IndexByte(css[at:end], ';'); n >= 0 {
			next = at + n
		}
		begin := skipSpace(css[:next], at)
		if message := checkDeclaration(css[begin:next]); message != "" {
			return 0, &cssError{begin, message}
		}
		at = next + 1
	}
	return end + 1, nil
}

// checkDeclaration says what is wrong with a declaration; empty ones are right.
func checkDeclaration(text string) string {
	if text == "" {
		return ""
	}
	name, value, _ := strings.Cut(text, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	bare := brandQuoted.ReplaceAllString(value, "")
	switch {
	case !brandName.MatchString(name):
		return yamldoc.Quote(name) + " is not a custom property such as --brand"
	case value == "":
		return name + " has no value"
	case !brandValue.MatchString(value):
		return name + " has characters that are not allowed in a value"
	case strings.ContainsAny(bare, `'"`):
		return name + " has a quote that is not closed"
	case strings.Contains(bare, "/*"):
		return name + " has a comment that is not closed"
	case !balanced(bare):
		return name + " has a parenthesis without its counterpart"
	}
	for _, call := range brandCall.FindAllStringSubmatch(bare, -1) {
		if !brandCalls[strings.ToLower(call[1])] {
			return name + " uses " + yamldoc.Quote(call[1]+"()") + "; allowed are functions of colours and of arithmetic"
		}
	}
	return ""
}

func balanced(text string) bool {
	depth := 0
	for i := 0; i < len(text) && depth >= 0; i++ {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
	}
	return depth == 0
}

// blankComments puts spaces in the place of comments, so that offsets stay. What looks like one in quotes is none. A
// comment that is not closed stays and is met as something else than a block.
func blankComments(css string) string {
	b := []byte(css)
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '"' || b[i] == '\'':
			if n := bytes.IndexAny(b[i+1:], string(b[i])+"\r\n"); n >= 0 {
				i += 1 + n
			}
		case bytes.HasPrefix(b[i:], []byte("/*")):
			length := bytes.Index(b[i+2:], []byte("*/"))
			if length < 0 {
				return string(b)
			}
			for end := i + 2 + length + 2; i < end; i++ {
				if b[i] != '\n' {
					b[i] = ' '
				}
			}
			i--
		}
	}
	return string(b)
}

func skipSpace(text string, i int) int {
	for i < len(text) && strings.IndexByte(" \t\r\n\f", text[i]) >= 0 {
		i++
	}
	return i
}
