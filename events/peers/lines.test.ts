import fc from "fast-check";
import { expect, test } from "vitest";
import { Lines } from "./lines.ts";

function linesOf(chunks: readonly Uint8Array[], maxBytes = 1_000): string[] {
	const lines: string[] = [];
	const splitter = new Lines(maxBytes, (line) => lines.push(Buffer.from(line).toString()));
	for (const chunk of chunks) splitter.push(chunk);
	return lines;
}

test("lines are the same, whatever the chunks are; a part of one is none", () => {
	const text = fc.string({ unit: "grapheme" }).map((line) => line.replaceAll("\n", ""));
	fc.assert(
		fc.property(fc.array(text), text, fc.array(fc.integer({ min: 1, max: 9 })), (lines, rest, sizes) => {
			const bytes = Buffer.from(`${lines.map((line) => `${line}\n`).join("")}${rest}`);
			const chunks: Uint8Array[] = [];
			let from = 0;
			for (const size of [...sizes, bytes.length]) {
				chunks.push(bytes.subarray(from, from + size));
				from += size;
			}
			expect(linesOf(chunks)).toEqual(lines);
		}),
	);
});

test("a line beyond the limit is an error, one of the limit is not", () => {
	expect(linesOf([Buffer.from("12345\n12345\n")], 5)).toEqual(["12345", "12345"]);
	expect(() => linesOf([Buffer.from("123"), Buffer.from("456")], 5)).toThrow("more than 5 bytes");
});
