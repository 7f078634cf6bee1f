/** Made once: one for each message is most of what reading a small one costs. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** What a message holds. Throws for anything but JSON in UTF-8 (RFC 8259, 8.1). */
export function parseJson(payload: Uint8Array): unknown {
	return JSON.parse(utf8.decode(payload));
}
