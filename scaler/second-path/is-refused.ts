/** Whether the kernel at the other end said that nobody listens there. A connect that is lost on the way is not that. */
export function isRefused(thrown: unknown): boolean {
	// fetch wraps what the socket says, and that is one error for each address that was tried.
	if (thrown instanceof AggregateError) return thrown.errors.length > 0 && thrown.errors.every(isRefused);
	if (!(thrown instanceof Error)) return false;
	return ("code" in thrown && thrown.code === "ECONNREFUSED") || isRefused(thrown.cause);
}
