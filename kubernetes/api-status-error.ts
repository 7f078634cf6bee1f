/** The status that ends a watch from inside, as its last event. */
export class ApiStatusError extends Error {
	readonly statusCode: number;

	constructor(statusCode: number, message: string) {
		super(message);
		this.name = "ApiStatusError";
		this.statusCode = statusCode;
	}
}
