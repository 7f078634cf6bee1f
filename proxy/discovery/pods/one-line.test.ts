import fc from "fast-check";
import { expect, test } from "vitest";
import { oneLine } from "./one-line.ts";

test("is one line of bounded length, whatever the text", () => {
	const unit = fc.constantFrom("a", " ", "\n", "\u0000", "\u001b", "\u200b", "€", "😀", "://", "@");
	fc.assert(
		fc.property(fc.string({ unit, maxLength: 300 }), fc.integer({ min: 10, max: 50 }), (text, max) => {
			const line = oneLine(text, max);
			expect(line.length).toBeLessThanOrEqual(max);
			expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
		}),
	);
	expect(oneLine("a\r\n\tb\u001b[31m c ", 50)).toBe("a b [31m c");
	expect(oneLine(`${"x".repeat(100)} no such host`, 20)).toBe("xxxxxxxx ... ch host");
});

test("no password of a URL is in it", () => {
	expect(oneLine('Get "https://user:secret@registry.example/v2/": 401', 100)).toBe(
		'Get "https://***@registry.example/v2/": 401',
	);
});
