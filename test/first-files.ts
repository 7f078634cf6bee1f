import { BaseSequencer, type TestSpecification } from "vitest/node";

const first = /\/long-wake\.test\.ts$/;

/** Starts the file that spends five minutes waiting at once, so that the others run meanwhile. */
export class FirstFiles extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const sorted = await super.sort(files);
		return sorted.toSorted((a, b) => Number(first.test(b.moduleId)) - Number(first.test(a.moduleId)));
	}
}
