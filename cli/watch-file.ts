import { readFileSync } from "node:fs";
import type { Clock, Timer } from "../common/clock.ts";

/** Looking is cheap and sees every kind of change; a Kubernetes ConfigMap takes up to a minute to arrive anyway. */
const lookMs = 5_000;

/** Calls `changed` after the file's content has changed. A file that cannot be read now has not. */
export function watchFile(path: string, clock: Clock, changed: () => void): Timer {
	let content = read(path);
	let timer = later();
	function later(): Timer {
		return clock.after(lookMs, () => {
			timer = later();
			const now = read(path) ?? content;
			if (now === content) return;
			content = now;
			changed();
		});
	}
	return { cancel: () => timer.cancel() };
}

function read(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}
