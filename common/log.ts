import { type Logger, pino } from "pino";

export type { Logger };

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** JSON lines on standard error; standard output belongs to what a user asked to see. */
export function createLogger(level: LogLevel): Logger {
	return pino(
		{ level, base: {}, formatters: { level: (label) => ({ level: label }) } },
		pino.destination({ dest: 2, sync: true }),
	);
}
