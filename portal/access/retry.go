package access

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
)

// RetryAfter says in the answer when a fault of kind TooMany may be over, in whole seconds; nothing for other faults.
func RetryAfter(c *fiber.Ctx, f *fault.Error) {
	if f.RetryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
}
