import { type Logger, pino } from "pino";

export type { Logger };

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Lines wait so long for company: a write of its own for each would stand in the way of the client that it is about. */
const flushMs = 2;
/** More than this does not wait. */
const maxBufferedLength = 8 * 1024;

/** Standard error, where what is written at about the same time is written at once. */
function bufferedStandardError(): { write(line: string): void } {
	const destination = pino.destination({ dest: 2, sync: true });
	let lines = "";
	const flush = () => {
		if (lines !== "") destination.write(lines);
		lines = "";
	};
	process.on("exit", flush);
	return {
		write(line) {
			if (lines === "") setTimeout(flush, flushMs).unref();
			lines += line;
			if (lines.length > maxBufferedLength) flush();
		},
	};
}

let standardError: ReturnType<typeof bufferedStandardError> | undefined;

/** JSON lines on standard error; standard output belongs to what a user asked to see. */
export function createLogger(level: LogLevel): Logger {
	standardError ??= bufferedStandardError();
	return pino({ level, base: {}, formatters: { level: (label) => ({ level: label }) } }, standardError);
}
