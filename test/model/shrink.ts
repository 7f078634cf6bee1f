import type { Config, Deed, Schedule, Step } from "./schedule.ts";

/** Whether a schedule still shows what is being looked for. */
export type Shows = (schedule: Schedule) => Promise<boolean>;

const maxRuns = 1_000;

/**
 * A smaller schedule that shows the same: fewer things happen, in a simpler world. (Every choice has chances of its own,
 * so what is taken out changes little of the rest.)
 */
export async function shrink(schedule: Schedule, shows: Shows): Promise<Schedule> {
	let smallest = schedule;
	let runs = 0;
	const accept = async (candidate: Schedule): Promise<boolean> => {
		if (runs++ >= maxRuns || !(await shows(candidate))) return false;
		smallest = candidate;
		return true;
	};
	for (let before: Schedule | undefined; before !== smallest && runs < maxRuns; ) {
		before = smallest;
		await removeSteps(() => smallest, accept);
		for (const simpler of simplerConfigs) await accept({ ...smallest, config: simpler(smallest.config) });
		for (let index = 0; index < smallest.steps.length; index++) {
			const step = smallest.steps[index];
			if (step === undefined) continue;
			for (const deed of simplerDeeds(step.deed)) {
				const steps = smallest.steps.with(index, { ...step, deed });
				if (await accept({ ...smallest, steps })) break;
			}
		}
		await accept({ ...smallest, healMs: (smallest.steps.at(-1)?.atMs ?? 0) + 5_000 });
	}
	return smallest;
}

/** First large parts, then small ones (Zeller's ddmin). */
async function removeSteps(
	current: () => Schedule,
	accept: (candidate: Schedule) => Promise<boolean>,
): Promise<void> {
	for (let size = current().steps.length; size >= 1; size = Math.floor(size / 2)) {
		for (let from = 0; from < current().steps.length; ) {
			const { steps } = current();
			const without = steps.toSpliced(from, size);
			if (!(await accept({ ...current(), steps: without }))) from += size;
		}
	}
}

const simplerConfigs: readonly ((config: Config) => Config)[] = [
	(config) => ({ ...config, messages: { loss: 0, duplicate: 0, slow: 0, slowMs: 50 } }),
	(config) => ({ ...config, messages: { ...config.messages, loss: 0 } }),
	(config) => ({ ...config, messages: { ...config.messages, duplicate: 0 } }),
	(config) => ({ ...config, messages: { ...config.messages, slow: 0 } }),
	(config) => ({ ...config, skewMs: 0 }),
	(config) => ({ ...config, expectedProxies: undefined }),
	(config) => ({ ...config, proxies: 1, expectedProxies: config.expectedProxies?.slice(0, 1) }),
	(config) => ({ ...config, listLagMs: undefined }),
	(config) => ({ ...config, scalers: 1 }),
	(config) => ({ ...config, capacity: 1 }),
	(config) => ({ ...config, hpa: { ...config.hpa, maxReplicas: 1 } }),
	(config) => ({ ...config, workload: { ...config.workload, startMs: 300, informerMs: 5 } }),
];

function simplerDeeds(deed: Deed): Deed[] {
	switch (deed.t) {
		case "burst": {
			const half = Math.ceil(deed.plans.length / 2);
			const [plan] = deed.plans;
			if (plan !== undefined && deed.plans.length === 1) return [{ t: "build", plan }];
			return [
				{ ...deed, plans: deed.plans.slice(0, half) },
				{ ...deed, plans: deed.plans.slice(half) },
				{ ...deed, plans: deed.plans.slice(1) },
			];
		}
		case "build":
		case "buildAround":
			return deed.plan.leaving === undefined ? [] : [{ ...deed, plan: { buildMs: deed.plan.buildMs } }];
		default:
			return [];
	}
}

/** One line a step, for people. */
export function describeSchedule({ seed, config, steps, healMs }: Schedule): string {
	const line = ({ atMs, deed }: Step) => `  at ${atMs} ms: ${JSON.stringify(deed)}`;
	return [
		`seed ${seed}, faults end at ${healMs} ms`,
		`config ${JSON.stringify(config)}`,
		...steps.map(line),
	].join("\n");
}
