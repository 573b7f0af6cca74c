/* SPDX-License-Identifier: MIT */
#include "tel/src/probability.h"

#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/slice.h"
#include "tel/tel.h"

#define DIGITS 14       /* of a number of 56 bits */
#define OT "ot="        /* how the member begins */
#define TH "th:"        /* how the sub-key begins */
#define VALUE_MAX 256   /* bytes of a member's value (W3C Trace Context level 2, section 3.3.1.3.2) */
#define MEMBERS_MAX 32  /* the same, section 3.3.1.1 */
#define LONG_MEMBER 128 /* of a too long list the longer ones go first (section 3.3.1.5) */
#define ANY_LENGTH SIZE_MAX

_Static_assert(TEL_TRACESTATE_MAX >= sizeof(OT) - 1 + VALUE_MAX, "the member alone always fits");

/* ---- numbers ---- */

/* The difference is a multiple of 2^-53, so T is a whole number without rounding. */
uint64_t probability_threshold(double ratio)
{
	return (uint64_t)((1 - ratio) * (double)PROBABILITY_RANGE);
}

/* Returns the number of digits without trailing zeros, 1 at least. */
static size_t format_digits(uint64_t threshold, char digits[DIGITS])
{
	size_t count = DIGITS;

	for (size_t i = DIGITS; i > 0; i--, threshold >>= 4)
		digits[i - 1] = hex_digits[threshold & 15];
	while (count > 1 && digits[count - 1] == '0')
		count--;
	return count;
}

void probability_format(uint64_t threshold, char out[PROBABILITY_TEXT_MAX + 1])
{
	static const char start[] = OT TH;
	size_t start_bytes = sizeof(start) - 1;

	memcpy(out, start, start_bytes);
	out[start_bytes + format_digits(threshold, out + start_bytes)] = '\0';
}

/* Missing digits are zeros on the right. Returns false unless there are 1 to 14 digits in lower case. */
static bool parse_digits(struct slice text, uint64_t *out)
{
	uint64_t value = 0;

	if (text.len < 1 || text.len > DIGITS)
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		char c = '0';
		if (i < text.len)
			c = text.data[i];
		int digit = c >= 'A' && c <= 'F' ? -1 : hex_digit(c);
		if (digit < 0)
			return false;
		value = value << 4 | (uint64_t)digit;
	}
	*out = value;
	return true;
}

/* ---- lists ---- */

static bool starts_with(struct slice s, const char *start)
{
	size_t bytes = strlen(start);

	return s.len >= bytes && memcmp(s.data, start, bytes) == 0;
}

static struct slice all_of(const char *tracestate)
{
	return (struct slice){tracestate, strlen(tracestate)};
}

/* Returns how many members `ot` there are; *value is that of the first one, with `at` NULL when there is none. */
static unsigned find_ot(const char *tracestate, struct slice *value)
{
	struct slice rest = all_of(tracestate), member;
	unsigned count = 0;

	*value = (struct slice){NULL, 0};
	while (slice_take(&rest, ',', &member))
		if (starts_with(member, OT) && count++ == 0)
			*value = (struct slice){member.data + strlen(OT), member.len - strlen(OT)};
	return count;
}

/* The next sub-key. Others are not taken for one: none at all, and what could not stand at the end of a member. */
static bool next_item(struct slice *list, struct slice *item)
{
	while (slice_take(list, ';', item))
		if (item->len && item->data[item->len - 1] != ' ')
			return true;
	return false;
}

/* Returns how often `key`, such as TH, is in the list; *value is what follows the first one. */
static unsigned find_key(struct slice list, const char *key, struct slice *value)
{
	struct slice item;
	unsigned count = 0;

	while (next_item(&list, &item))
		if (starts_with(item, key) && count++ == 0)
			*value = (struct slice){item.data + strlen(key), item.len - strlen(key)};
	return count;
}

/* ---- what is there ---- */

bool probability_explicit(const char *tracestate, uint64_t *randomness)
{
	struct slice list, value;

	return *tracestate && find_ot(tracestate, &list) && find_key(list, "rv:", &value) == 1 && value.len == DIGITS &&
	       parse_digits(value, randomness);
}

uint64_t probability_randomness(const char *tracestate, const uint8_t trace_id[16])
{
	uint64_t randomness;

	return probability_explicit(tracestate, &randomness) ? randomness : probability_of_id(trace_id);
}

/* ---- changes ---- */

/*
 * Adds the sub-keys of `list`, with `th` in the place of the old one or after the others if there was none. If `th` is
 * NULL, they are added without it. Nothing is added when no sub-key is left.
 */
static void add_ot(struct buf *out, struct slice list, const char *th)
{
	struct slice item;
	const char *start = OT;

	while (next_item(&list, &item)) {
		bool is_th = starts_with(item, TH);
		if (is_th && !th)
			continue;
		buf_adds(out, start);
		buf_add(out, is_th ? th : item.data, is_th ? strlen(th) : item.len);
		if (is_th)
			th = NULL;
		start = ";";
	}
	if (th) {
		buf_adds(out, start);
		buf_adds(out, th);
	}
}

/* Adds the members other than `ot` of up to `longest` bytes. Returns false if the last of them did not fit. */
static bool add_others(struct buf *out, const char *tracestate, size_t longest)
{
	struct slice rest = all_of(tracestate), member;
	unsigned count = out->len > 0;

	while (slice_take(&rest, ',', &member)) {
		if (starts_with(member, OT) || member.len > longest || member.len == 0)
			continue;
		if (count++ == MEMBERS_MAX)
			return true; /* the last one makes room for ours */
		if (out->len + (out->len > 0) + member.len > TEL_TRACESTATE_MAX)
			return false;
		if (out->len)
			buf_addc(out, ',');
		buf_add(out, member.data, member.len);
	}
	return true;
}

/* Writes the tracestate again with `th`, or without one if it is NULL. */
static void rewrite(char *tracestate, const char *th)
{
	char storage[TEL_TRACESTATE_MAX + 1];
	struct slice list;
	struct buf out;

	find_ot(tracestate, &list);
	buf_init_fixed(&out, storage, sizeof(storage));
	add_ot(&out, list, th);
	if (out.len > strlen(OT) + VALUE_MAX) {
		buf_reset(&out);
		add_ot(&out, list, NULL);
	}
	size_t ot_bytes = out.len;
	if (!add_others(&out, tracestate, ANY_LENGTH)) {
		out.len = ot_bytes;
		add_others(&out, tracestate, LONG_MEMBER);
	}
	memcpy(tracestate, storage, out.len);
	tracestate[out.len] = '\0';
}

void probability_set_threshold(char *tracestate, uint64_t threshold)
{
	char text[PROBABILITY_TEXT_MAX + 1];
	const char *th = text + strlen(OT), *digits = th + strlen(TH);
	struct slice list, old;

	probability_format(threshold, text);
	if (find_ot(tracestate, &list) == 1 && find_key(list, TH, &old) == 1 && old.len == strlen(digits) &&
	    memcmp(old.data, digits, old.len) == 0)
		return; /* what is not changed stays where it is */
	rewrite(tracestate, th);
}

void probability_erase_threshold(char *tracestate)
{
	struct slice list, old;

	if (find_ot(tracestate, &list) > 1 || find_key(list, TH, &old))
		rewrite(tracestate, NULL);
}

/* Returns false if the threshold cannot be read, or contradicts the decision. */
static bool is_consistent(const char *tracestate, struct slice value, const uint8_t trace_id[16], bool sampled)
{
	uint64_t threshold;

	return parse_digits(value, &threshold) &&
	       (probability_randomness(tracestate, trace_id) >= threshold) == sampled;
}

void probability_check_threshold(char *tracestate, const uint8_t trace_id[16], bool sampled)
{
	struct slice list, value;

	if (!*tracestate)
		return;
	unsigned members = find_ot(tracestate, &list), thresholds = find_key(list, TH, &value);

	if (members > 1 || thresholds > 1 || (thresholds && !is_consistent(tracestate, value, trace_id, sampled)))
		rewrite(tracestate, NULL);
}
