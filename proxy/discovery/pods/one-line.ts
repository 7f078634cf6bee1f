const gap = " ... ";

/**
 * A text from elsewhere, made fit for a user's terminal and a header: one line, no control characters, not longer than
 * `maxLength`, and without the password of a URL. Of a long one the middle is left out: what is wrong is often at its end.
 */
export function oneLine(text: string, maxLength: number): string {
	// Bounded first: what follows is not free.
	const line = cut(text, maxLength * 4)
		.replaceAll(/[\p{C}\s]+/gu, " ")
		.replaceAll(/:\/\/[^/@ ]+@/g, "://***@")
		.trim();
	return cut(line, maxLength);
}

function cut(text: string, maxLength: number): string {
	if (text.length <= maxLength) return text;
	const tail = Math.floor((maxLength - gap.length) / 2);
	return `${text.slice(0, maxLength - gap.length - tail)}${gap}${text.slice(-tail)}`;
}
