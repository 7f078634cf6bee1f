// A program: node local-main.ts <options as JSON>. Runs startLocal in a process that a test can kill.
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { startLocal } from "../../local/local.ts";

try {
	const log = createLogger("silent");
	const local = await startLocal(JSON.parse(process.argv[2] ?? ""), { clock: systemClock, log });
	process.stdout.write(`listening ${local.listening.port}\n`);
} catch (error) {
	process.stdout.write(`failed ${error instanceof Error ? error.message : error}\n`);
	process.exit(1);
}
