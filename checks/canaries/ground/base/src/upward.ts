// A canary: the lowest room imports a floor above. checks/house.test.ts expects this to be refused.
import { resourcePath } from '@polyanthus/kube-objects/resource';

export const wrong = resourcePath;
