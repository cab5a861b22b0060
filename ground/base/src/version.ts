/** The product's version; the same as package.json's (a check holds it). */
export const productVersion = '0.1.0';

/** The Kubernetes version whose API the embedded server speaks. */
export const kubernetesVersion = { major: '1', minor: '37', gitVersion: 'v1.37.2' } as const;
