import { expect, test } from "vitest";
import { poolServices } from "./option.ts";

test("the Service of each pool's proxies", () => {
	expect(poolServices.parse("ci/arm64=proxies, ci/amd64=p")).toEqual([
		{ namespace: "ci", pool: "arm64", service: "proxies" },
		{ namespace: "ci", pool: "amd64", service: "p" },
	]);
});

test.each([
	"",
	"ci=p",
	"ci/a",
	"ci/a=",
	"/a=p",
	"ci/a=p=q",
	"ci/a/b=p",
	"ci/A=p",
	"ci/a=p,",
	"ci/a=p,ci/a=q",
])("not %j", (text) => {
	expect(poolServices.parse(text)).toBeUndefined();
});
