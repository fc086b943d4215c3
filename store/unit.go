package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Unit is what a model server bills beside tokens.
type Unit uint8

// The units. The numbers are part of the format on disk; each image size that providers bill apart has its own.
const (
	// UnitImage is an image of a size that has no unit of its own, or of one that nobody told.
	UnitImage     Unit = 1
	UnitImage256  Unit = 2 // 256x256
	UnitImage512  Unit = 3 // 512x512
	UnitImage1024 Unit = 4 // 1024x1024
	UnitImageTall Unit = 5 // 1024x1536
	UnitImageWide Unit = 6 // 1536x1024
	// UnitImageTaller and UnitImageWider are 1024x1792 and 1792x1024.
	UnitImageTaller Unit = 7
	UnitImageWider  Unit = 8
	// UnitAudioMillisecond is a millisecond of audio that was listened to or made.
	UnitAudioMillisecond Unit = 9
	// UnitCharacter is a character (a Unicode code point) of text that was turned into speech.
	UnitCharacter Unit = 10
	// UnitSearch is a search unit of a rerank.
	UnitSearch Unit = 11
)

var unitNames = [...]string{
	UnitImage: "image", UnitImage256: "image_256x256", UnitImage512: "image_512x512", UnitImage1024: "image_1024x1024",
	UnitImageTall: "image_1024x1536", UnitImageWide: "image_1536x1024",
	UnitImageTaller: "image_1024x1792", UnitImageWider: "image_1792x1024",
	UnitAudioMillisecond: "audio_millisecond", UnitCharacter: "character", UnitSearch: "search",
}

// Units returns all units in the order of their numbers.
func Units() []Unit {
	all := make([]Unit, 0, len(unitNames)-1)
	for u := UnitImage; int(u) < len(unitNames); u++ {
		all = append(all, u)
	}
	return all
}

// Valid says whether it is one of the units.
func (u Unit) Valid() bool { return u > 0 && int(u) < len(unitNames) }

// String returns the word used in APIs.
func (u Unit) String() string {
	if u.Valid() {
		return unitNames[u]
	}
	return "unit-" + strconv.Itoa(int(u))
}

const imagePrefix = "image_"

// ImageSize returns the size of images that a unit is for, such as "1024x1024"; empty for all other units.
func (u Unit) ImageSize() string {
	if size, sized := strings.CutPrefix(u.String(), imagePrefix); sized {
		return size
	}
	return ""
}

// ImageUnit returns the unit of images of a size such as "1024x1024": UnitImage for one without a unit of its own.
func ImageUnit(size string) Unit {
	for u, name := range unitNames {
		if s, sized := strings.CutPrefix(name, imagePrefix); sized && s == size {
			return Unit(u)
		}
	}
	return UnitImage
}

// Quantity is a number of units; N is positive.
type Quantity struct {
	Unit Unit
	N    int64
}

// MaxQuantities bounds the quantities of one event, MaxQuantity the number of each; what is more, no ledger takes.
const (
	MaxQuantities = 16
	MaxQuantity   = 1 << 40
)

// Quantities are what was used beside tokens: at most one of each unit, in ascending order of units; nil is nothing.
type Quantities []Quantity

// Of returns how many of a unit there are.
func (q Quantities) Of(u Unit) int64 {
	if i, found := q.find(u); found {
		return q[i].N
	}
	return 0
}

// Plus returns q with n more of a unit, changing q's array where it has one. n of 0 changes nothing.
func (q Quantities) Plus(u Unit, n int64) Quantities {
	if n == 0 {
		return q
	}
	i, found := q.find(u)
	if found {
		q[i].N += n
		return q
	}
	return slices.Insert(q, i, Quantity{u, n})
}

// PlusAll returns q with all of r added, changing q's array where it has one, and never sharing that of r.
func (q Quantities) PlusAll(r Quantities) Quantities {
	if len(q) == 0 {
		return slices.Clone(r)
	}
	for _, x := range r {
		q = q.Plus(x.Unit, x.N)
	}
	return q
}

func (q Quantities) find(u Unit) (int, bool) {
	return slices.BinarySearchFunc(q, u, func(x Quantity, u Unit) int { return cmp.Compare(x.Unit, u) })
}
