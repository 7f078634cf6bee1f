// Loads @kubernetes/client-node (0.4 s, 60 MB), so import it only where there is a cluster.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import {
	type Configuration,
	createConfiguration,
	KubeConfig,
	type Middleware,
	ServerConfiguration,
} from "@kubernetes/client-node";
import { ScalerError } from "./error.ts";

const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/**
 * The kubeconfig at `path`; without one the pod's service account, else KUBECONFIG or ~/.kube/config. Throws
 * CONFIG_INVALID, naming the option, without any.
 */
export function loadKubeConfig(option: string, path?: string): KubeConfig {
	const config = new KubeConfig();
	try {
		if (path !== undefined) {
			config.loadFromFile(path);
		} else if (process.env["KUBERNETES_SERVICE_HOST"] && existsSync(tokenPath)) {
			config.loadFromCluster();
		} else if (process.env["KUBECONFIG"] || existsSync(join(homedir(), ".kube", "config"))) {
			config.loadFromDefault();
		}
	} catch (cause) {
		const { message } = ScalerError.from(cause);
		throw new ScalerError("CONFIG_INVALID", `kubeconfig: ${message.split("\n")[0]}`, { cause });
	}
	if (config.getCurrentCluster()) return config;
	const looked = `there is no service account's token (${tokenPath}) and no kubeconfig with a current context`;
	throw new ScalerError("CONFIG_INVALID", `${option} needs access to a cluster: ${looked}`);
}

/** As KubeConfig.makeApiClient, whose clients wait for an answer for ever: this one's end with the signal. */
export function clientConfiguration(config: KubeConfig, signal: AbortSignal): Configuration {
	const middleware: Middleware = {
		async pre(request) {
			request.setSignal(signal);
			return request;
		},
		post: async (response) => response,
	};
	return createConfiguration({
		baseServer: new ServerConfiguration(config.getCurrentCluster()?.server ?? "", {}),
		authMethods: { default: config },
		promiseMiddleware: [middleware],
	});
}
