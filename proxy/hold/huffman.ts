/**
 * Code lengths of HPACK's Huffman code, one base-36 digit a byte value (RFC 7541, appendix B). The code is canonical:
 * codes of one length are consecutive in the order of the symbols, so the lengths are all there is to know.
 */
const codeLengths =
	"dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6f565" +
	"65666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmnqqkjmnmp" +
	"qqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq";
/** The longest code, that of EOS, is 30 bits of ones; it never occurs inside a string. */
const maxBits = 30;

/** By code length: the first code of that length, and the symbols in order of their codes. */
const byLength: { first: number; symbols: number[] }[] = [];
for (let length = 0, code = 0; length <= maxBits; length++) {
	const symbols = [...codeLengths].flatMap((digit, symbol) =>
		Number.parseInt(digit, 36) === length ? [symbol] : [],
	);
	byLength.push({ first: code, symbols });
	code = (code + symbols.length) * 2;
}

/** Decodes a Huffman-coded string literal; undefined when it is not one (RFC 7541, 5.2). */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
	let text = "";
	let code = 0;
	let length = 0;
	for (const byte of bytes) {
		for (let bit = 7; bit >= 0; bit--) {
			code = code * 2 + ((byte >> bit) & 1);
			length++;
			const candidates = byLength[length];
			if (candidates === undefined) return undefined;
			const symbol = candidates.symbols[code - candidates.first];
			if (symbol === undefined) continue;
			text += String.fromCharCode(symbol);
			code = 0;
			length = 0;
		}
	}
	// What is left is padding: fewer than 8 bits, all ones.
	return length < 8 && code === 2 ** length - 1 ? text : undefined;
}
