import { type Plant, type PlantedBug, plantedBugs } from "./planted.ts";
import { type Schedule, scheduleOf } from "./schedule.ts";
import { describeSchedule, shrink } from "./shrink.ts";
import { type Law, type Outcome, simulate, type Violation } from "./world.ts";

/** A schedule that breaks a law, made as small as it gets. */
export interface Finding {
	readonly seed: number;
	readonly violation: Violation;
	readonly schedule: Schedule;
	readonly story: readonly string[];
}

/** The outcome of the schedule of a seed; with `law`, as if there were no other. */
export function runSeed(seed: number, bug?: PlantedBug, law?: Law): Promise<Outcome> {
	return simulate(scheduleOf(seed), { plant: plantOf(bug), law });
}

/** Shrinks the schedule of a seed that broke a law. */
export async function findSmallest(seed: number, law: Law, bug?: PlantedBug): Promise<Finding> {
	const plant = plantOf(bug);
	const shows = async (schedule: Schedule) =>
		(await simulate(schedule, { plant, law })).violation !== undefined;
	const schedule = await shrink(scheduleOf(seed), shows);
	const { violation, story } = await simulate(schedule, { plant, law, tellsStory: true });
	if (violation === undefined) throw new Error(`seed ${seed} is not deterministic`);
	return { seed, violation, schedule, story };
}

export function describeFinding({ seed, violation, schedule, story }: Finding): string {
	return [
		`seed ${seed} breaks ${violation.law} at ${violation.atMs.toFixed(0)} ms: ${violation.text}`,
		`the smallest schedule that does: ${describeSchedule(schedule)}`,
		"its story:",
		...story,
	].join("\n");
}

function plantOf(bug: PlantedBug | undefined): Plant {
	return bug === undefined ? {} : plantedBugs[bug];
}
