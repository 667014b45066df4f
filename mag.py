import torch, numpy as np
from soritune.models.model import SpeechModel
from soritune.corpus.manifest import load_manifest
from soritune.recipe import load_recipe
import sys
sys.argv=['x']; sys.path.insert(0,'benchmarks')
from soritune.models.build import build_model
from soritune.audio.preprocessing import Preprocessing
from soritune.models.config import ModelConfig
from soritune.tasks.specs import OutputSpec
m=build_model(ModelConfig(encoder='soritune/tiny-ko'),[OutputSpec('e',('a','b'),'utterance','cross_entropy',layer='weighted')],seed=0)
m.eval()
man=load_manifest('/tmp/exp/phones15/etry/corpus/labelled.parquet')
p=Preprocessing()
for i in (0,50,100):
    u=man.utterance(i); w=torch.tensor(p.load(man.audio_path(u)))[None]
    with torch.no_grad(): last,st,v=m.encode(w,torch.tensor([w.shape[1]]))
    print('last',last.std().item(), {l:(round(s.std().item(),2), round(s.abs().max().item(),1), round(s.mean(1).std().item(),2)) for l,s in st.items()})
