import fc from "fast-check";

/** Any code point but lone surrogates. fast-check's own "binary" takes seconds to prepare on a busy machine. */
export const anyUnit = fc
	.integer({ min: 0, max: 0x10ffff - 0x800 })
	.map((code) => String.fromCodePoint(code < 0xd800 ? code : code + 0x800));
