/** A failure to explain to a person: one line, and the failing command's own last words. */
export class ToolError extends Error {
	readonly details: string;

	constructor(message: string, details = "") {
		super(message);
		this.details = details;
	}
}
