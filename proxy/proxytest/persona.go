package proxytest

import (
	"strings"
	"time"
)

// personaText has a "|" between any two tokens.
const personaText = "Hello|!| I| am| the| built|-in| model| server| of| the| ll|m|hub| demo|.| I| am| not| a| real| language| model|:| " +
	"whatever| you| ask|,| I| answer| with| this| friendly| paragraph|,| at| about| the| pace| of| a| real| one|.| What| you| see| here| " +
	"is| real| all| the| same|:| your| key| was| checked|,| this| answer| came| to| you| piece| by| piece|,| and| every| token| of| it| is| " +
	"now| in| the| ledger| under| your| key| and| this| month|.| Point| any| Open|AI| client| at| this| address|,| and| then| put| a| real| " +
	"model| server| in| my| place|.| Have| fun|!"

// Persona returns the script of the demo's model server: it answers anything with a friendly paragraph, at about 36 tokens
// a second, and says what it is.
func Persona() Script {
	return Script{
		Deltas:     Say(strings.Split(personaText, "|")...),
		FirstDelay: 250 * time.Millisecond,
		Pace:       28 * time.Millisecond,
		Jitter:     8 * time.Millisecond,
	}
}
