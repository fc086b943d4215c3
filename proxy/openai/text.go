package openai

import "unicode/utf8"

// unescapeRune reads \uXXXX, or two of them that form a pair, and returns their length.
func unescapeRune(raw []byte) (rune, int) {
	high := hexRune(raw)
	switch {
	case high < 0:
		return utf8.RuneError, min(len(raw), 6)
	case high < 0xD800 || high > 0xDFFF:
		return high, 6
	case high < 0xDC00 && len(raw) >= 12:
		if low := hexRune(raw[6:]); low >= 0xDC00 && low <= 0xDFFF {
			return (high-0xD800)<<10 | (low - 0xDC00) + 0x10000, 12
		}
	}
	return utf8.RuneError, 6
}

// hexRune reads one \uXXXX, -1 if there is none.
func hexRune(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range raw[2:6] {
		d := hexDigit(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c < 0x20 || c == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				dst = append(dst, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return append(dst, '"')
}

// appendCompact appends sound JSON without the white space between its tokens.
func appendCompact(dst, json []byte) []byte {
	for i := 0; i < len(json); {
		c := json[i]
		switch {
		case isSpace(c):
			i++
		case c == '"':
			end, _ := scanString(json, i)
			if end < 0 {
				return append(dst, json[i:]...)
			}
			dst = append(dst, json[i:end]...)
			i = end
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
