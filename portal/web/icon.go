package web

import "html/template"

// icons are drawn on a grid of 24 pixels with round strokes of 1.75.
var icons = map[string]string{
	"alert":      `<path d="M12 4 2.8 19.5h18.4zM12 10v4.2M12 16.9h.01"/>`,
	"ban":        `<circle cx="12" cy="12" r="8.7"/><path d="m6 6 12 12"/>`,
	"book":       `<path d="M12 6.5C10.3 5 7.5 4.5 3.5 4.5v14c4 0 6.8.5 8.5 2 1.7-1.5 4.5-2 8.5-2v-14c-4 0-6.8.5-8.5 2zM12 6.5v14"/>`,
	"boxes":      `<path d="m12 3 4 2.2v4.4l-4 2.2-4-2.2V5.2zM7 11.6l4 2.2v4.4l-4 2.2-4-2.2v-4.4zM17 11.6l4 2.2v4.4l-4 2.2-4-2.2v-4.4z"/>`,
	"building":   `<path d="M5 21V4.5A1.5 1.5 0 0 1 6.5 3h7A1.5 1.5 0 0 1 15 4.5V21M15 10h3a1.5 1.5 0 0 1 1.5 1.5V21M3 21h18M8.5 7h3M8.5 11h3M8.5 15h3"/>`,
	"calendar":   `<rect x="3.5" y="5" width="17" height="15.5" rx="2"/><path d="M3.5 10h17M8 2.5v4M16 2.5v4"/>`,
	"chart":      `<path d="M4 4v16h16M9 16v-4M13 16V8M17 16v-6"/>`,
	"check":      `<path d="m4.5 12.5 5 5 10-11"/>`,
	"check-list": `<path d="M11 6h9M11 12h9M11 18h9M3.5 6l1.5 1.5L8 4.5M3.5 12 5 13.5l3-3M3.5 18 5 19.5l3-3"/>`,
	"clock":      `<circle cx="12" cy="12" r="8.7"/><path d="M12 7v5l3.5 2"/>`,
	"close":      `<path d="M6 6l12 12M18 6 6 18"/>`,
	"copy":       `<rect x="8.5" y="8.5" width="12" height="12" rx="2"/><path d="M15.5 8.5v-3a2 2 0 0 0-2-2h-8a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h3"/>`,
	"cpu":        `<rect x="6" y="6" width="12" height="12" rx="2"/><rect x="10" y="10" width="4" height="4" rx=".5"/><path d="M9.5 3v3M14.5 3v3M9.5 18v3M14.5 18v3M3 9.5h3M3 14.5h3M18 9.5h3M18 14.5h3"/>`,
	"display":    `<rect x="3" y="4.5" width="18" height="12" rx="1.5"/><path d="M9 20.5h6M12 16.5v4"/>`,
	"down":       `<path d="M4 7l6 6 4-4 6 7M15 16h5v-5"/>`,
	"download":   `<path d="M12 4v11M7 10.5l5 5 5-5M4 20h16"/>`,
	"edit":       `<path d="M4 20h4.5L19.5 9 15 4.5 4 15.5zM13 6.5 17.5 11"/>`,
	"external":   `<path d="M14 4h6v6M20 4l-9 9M18 14v4.5a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 4 18.5v-11A1.5 1.5 0 0 1 5.5 6H10"/>`,
	"file":       `<path d="M6 3h8l4.5 4.5V21H6zM14 3v4.5h4.5M9 12.5h6M9 16h6"/>`,
	"filter":     `<path d="M4 5h16l-6.2 7.5V19l-3.6-2v-4.5z"/>`,
	"globe":      `<circle cx="12" cy="12" r="8.7"/><path d="M3.3 12h17.4M12 3.3c2.6 2.5 3.8 5.5 3.8 8.7s-1.2 6.2-3.8 8.7c-2.6-2.5-3.8-5.5-3.8-8.7S9.4 5.8 12 3.3z"/>`,
	"grid":       `<rect x="4" y="4" width="6.5" height="6.5" rx="1"/><rect x="13.5" y="4" width="6.5" height="6.5" rx="1"/><rect x="4" y="13.5" width="6.5" height="6.5" rx="1"/><rect x="13.5" y="13.5" width="6.5" height="6.5" rx="1"/>`,
	"info":       `<circle cx="12" cy="12" r="8.7"/><path d="M12 11.2v5M12 8h.01"/>`,
	"key":        `<circle cx="8" cy="15.5" r="4.5"/><path d="M11.3 12.2 20 3.5M16.5 7l3 3M14 9.5l2 2"/>`,
	"left":       `<path d="m14.5 5.5-6.5 6.5 6.5 6.5"/>`,
	"level":      `<path d="M4 12h15M14 7l5 5-5 5"/>`,
	"list":       `<path d="M8.5 6H20M8.5 12H20M8.5 18H20M4 6h.01M4 12h.01M4 18h.01"/>`,
	"lock":       `<rect x="5" y="10.5" width="14" height="10" rx="2"/><path d="M8.5 10.5V7.5a3.5 3.5 0 0 1 7 0v3"/>`,
	"logo":       `<rect x="1" y="1" width="22" height="22" rx="5" fill="currentColor" stroke="none"/><path d="M6.5 16V8.5l5.5 4.5 5.5-4.5V16" stroke="var(--on-brand)" stroke-width="2.25"/>`,
	"logout":     `<path d="M10 20H5.5A1.5 1.5 0 0 1 4 18.5v-13A1.5 1.5 0 0 1 5.5 4H10M15.5 16l4-4-4-4M19.5 12H9.5"/>`,
	"mail":       `<rect x="3.5" y="5" width="17" height="14" rx="1.5"/><path d="m4 7 8 6 8-6"/>`,
	"menu":       `<path d="M4 6.5h16M4 12h16M4 17.5h16"/>`,
	"message":    `<path d="M4 5h16v11H10l-4.5 4V16H4z"/><path d="M8 9h8M8 12h5"/>`,
	"minus":      `<path d="M6 12h12"/>`,
	"moon":       `<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/>`,
	"plus":       `<path d="M12 5v14M5 12h14"/>`,
	"receipt":    `<path d="M5 3v18l2.3-1.5L9.7 21l2.3-1.5 2.3 1.5 2.4-1.5L19 21V3zM9 8h6M9 12h6"/>`,
	"refresh":    `<path d="M20 5v5h-5M4 19v-5h5M19.5 10A8 8 0 0 0 5.5 7.5M4.5 14a8 8 0 0 0 14 2.5"/>`,
	"right":      `<path d="m9.5 5.5 6.5 6.5-6.5 6.5"/>`,
	"search":     `<circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.3 15.3 5.2 5.2"/>`,
	"send":       `<path d="M20.5 3.5 10 14M20.5 3.5 14 20.5l-4-6.5-6.5-4z"/>`,
	"server":     `<rect x="3.5" y="4" width="17" height="6.5" rx="1.5"/><rect x="3.5" y="13.5" width="17" height="6.5" rx="1.5"/><path d="M7 7.2h.01M7 16.7h.01M11 7.2h6M11 16.7h6"/>`,
	"shield":     `<path d="M12 3 4.5 6v5.5c0 4.6 3.1 7.9 7.5 9.5 4.4-1.6 7.5-4.9 7.5-9.5V6zM9 12l2.2 2.2L15.2 10"/>`,
	"store":      `<path d="M4 10v10h16V10M2.5 7.5 5 4h14l2.5 3.5M2.5 7.5a3.2 3.2 0 0 0 6.3 0 3.2 3.2 0 0 0 6.4 0 3.2 3.2 0 0 0 6.3 0M9.5 20v-5.5h5V20"/>`,
	"sun":        `<circle cx="12" cy="12" r="3.8"/><path d="M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4"/>`,
	"up":         `<path d="M4 17l6-6 4 4 6-7M15 8h5v5"/>`,
	"user":       `<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5c.8-4 3.7-6 7.5-6s6.7 2 7.5 6"/>`,
}

// icon returns an icon that means nothing by itself: beside it stands a word, or the control it is in has a name.
func icon(name string) template.HTML {
	return template.HTML(`<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.75" ` +
		`stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">` + icons[name] + `</svg>`)
}
