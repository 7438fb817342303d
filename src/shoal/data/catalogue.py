"""Public data sets at pinned sources: repository, commit, path, size and SHA-256 of every file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """One file of a source.

    Attributes:
        name: in the folder of the data set.
        path: in the repository; None for a file that was joined from several and stands in none.
        size: bytes.
        sha256: hex digest of the content.
    """

    name: str
    path: str | None
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """One public data set; where some files have no path, the repositories are those it was joined from."""

    name: str
    about: str
    licence: str
    repository: str
    commit: str
    files: tuple[File, ...]


SOURCES: tuple[Source, ...] = (
    Source(
        name="banking77",
        about="77 intents of a bank's customers",
        licence="CC BY 4.0",
        repository="PolyAI-LDN/task-specific-datasets",
        commit="57ec275d8078af65b7731c2a98be812d844a6d6b",
        files=(
            File(
                "train.csv",
                "banking_data/train.csv",
                839_073,
                "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
            ),
            File(
                "test.csv",
                "banking_data/test.csv",
                239_961,
                "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
            ),
            File(
                "categories.json",
                "banking_data/categories.json",
                2_036,
                "53261da888122daf2d120d925458631d9619e15d82e56052e7a42e535ce32b63",
            ),
            File("README.md", "README.md", 4_735, "7b9ce9069931cc2de89dce8c7ffb53d07806cf413601ccf133b9af5227b3a373"),
            File("LICENSE", "LICENSE", 18_650, "7e7170e3cebf88a9f60c7b8421418323c09304da1af4d5e90f4da1dc1c8a2661"),
        ),
    ),
    Source(
        name="bitext_customer_support",
        about="27 intents of a shop's customers, synthetic",
        licence="CDLA-Sharing-1.0",
        repository="bitext/customer-support-intent-detection-training-dataset",
        commit="e970229e6473109417301b5edddb283917a10aac",
        files=(
            File(
                "train.csv",
                "data/train/Bitext_Sample_Customer_Service_Training_Dataset.csv",
                560_931,
                "4360971d9ed1884ddc3480b66b50bd3a0ee4b0f5726d1baff6025c69fb854f07",
            ),
            File(
                "dev.csv",
                "data/dev/Bitext_Sample_Customer_Service_Validation_Dataset.csv",
                69_552,
                "d8bb2011de49a2fd7c12cf0c520e26cc266c8e28501906554a5e22a93e79d177",
            ),
            File(
                "test.csv",
                "data/test/Bitext_Sample_Customer_Service_Testing_Dataset.csv",
                70_166,
                "e5b8984f88ff4e032dec929c93ab15e8165b439056cce665959a386fc14d06d5",
            ),
            File("README.md", "README.md", 6_666, "2db3fec5bf49139cc97a0692921e0c0681b3168eb85a7f5aacc073f9337e359d"),
            File("LICENSE", "LICENSE", 11_238, "f6054388eae4947a769ca2020c54e6d394eb01c41d58db55bb6cfd24ce71cdd8"),
            File("TAGS.md", "TAGS.md", 1_947, "53a349c1e04467fa298b7b1e0f297339b521d80467fb20e0f4636a2e932f76ec"),
        ),
    ),
    Source(
        name="clinc150",
        about="150 intents of an assistant, and out-of-scope texts",
        licence="CC BY 3.0",
        repository="clinc/oos-eval",
        commit="828f8093932c8fe6ca7936c3d2e52903b1c523de",
        files=(
            File(
                "data_full.json",
                "data/data_full.json",
                2_495_390,
                "36923c3705a59e08fe9c3883d8bc2dd966ef93e22cb78ac41171782a698d56e0",
            ),
            File(
                "domains.json",
                "data/domains.json",
                3_818,
                "b947b579d3b8e74b06f93b01083d8efaff2888b43a3e362533bd88a6e1211b3a",
            ),
            File("README.md", "README.md", 2_668, "8a8df26c4de3d25b6c4cff385ca23602c30e4e56828b015206cbc202f6db363a"),
            File("LICENSE", "LICENSE", 19_467, "e6bc9e9c474700b708f568bac9e5a8a9bcb2b1dad53442f5ba449fcb848b8e76"),
        ),
    ),
    Source(
        name="davidson_hate",
        about="hate, offensive or neither",
        licence="MIT",
        repository="t-davidson/hate-speech-and-offensive-language",
        commit="cb50f7e9eb855a99abc51423bf40df0e26d6fe30",
        files=(
            File(
                "labeled_data.csv",
                "data/labeled_data.csv",
                2_546_446,
                "fcb8bc7c68120ae4af04a5b9acd58585513ede11e1548ebf36a5c2040b6f6281",
            ),
            File("README.md", "README.md", 2_533, "7f40bb88abf4b2579d5594dcb5e1ecef84b4250ac6b6bbb82927ed6256676f81"),
            File("LICENSE", "LICENSE", 1_069, "3ec8d318cf9e36fe40da3081f5a64ebe3d198ebf85a330cbebc84de90a047fb2"),
            File(
                "data_readme.md",
                "data/readme.md",
                642,
                "bc61daf206147999c57530b9f11c6d96e5e175fffee1ebba9aadb96e87836e61",
            ),
        ),
    ),
    Source(
        name="headlines_gold",
        about="what a headline says about the price of gold",
        licence="Apache-2.0",
        repository="stanford-futuredata/FrugalGPT",
        commit="2b23e6acbd4b39f71912816640dcc59e45aa4b5e",
        files=(
            File(
                "train.csv",
                "data/HEADLINES/train.csv",
                348_922,
                "b69ed0c5443eef90525ad9595955d3a60a4d4950cf50760562363677801f1ee4",
            ),
            File(
                "test.csv",
                "data/HEADLINES/test.csv",
                349_165,
                "82d632b147fbfa0679f6129b87d7796518ae274ed2a91a1d50c727d97d8c4507",
            ),
            File("README.md", "README.md", 4_092, "0d9619cb90b594c7113d88e035f6588836242ff714632a3f111bbdf6de6ff851"),
            File("LICENSE", "LICENSE", 11_357, "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4"),
            File(
                "prefix_e8.txt",
                "config/prompt/HEADLINES/prefix_e8.txt",
                658,
                "d328d8be56d155007be287347fc503cee0ea39a897d48a90e57d07db7ae44634",
            ),
            File(
                "serviceinfo.json",
                "config/serviceinfo.json",
                9_734,
                "cd18c0c668920e3f751e6a04b7689068b7599d38d771b08d3263d1184a156fcf",
            ),
        ),
    ),
    Source(
        name="llm_babe_bias",
        about="media bias, with the recorded answers of 12 LLMs",
        licence="MIT",
        repository="Media-Bias-Group/llm-annotations-annomatic",
        commit="d6298d3d4e706005a56ab313dff401a9fd9f4aa1",
        files=(
            File(
                "babe_llm_labels.csv",
                None,
                1_262_851,
                "1e70aaa52397b75727834c75a4aebec55abf161db307da47f755335972688672",
            ),
            File("accuracy.json", None, 2_715, "ca4624fffcf10cc99952367a62383445ded3745707e83caf41ccfc0081bb380c"),
            File(
                "benchmark_results.csv",
                None,
                14_858,
                "0feaddace7630191bddfa887921d746609c282b5895896d8bce46783e63887f4",
            ),
            File("LICENSE", None, 1_066, "e2e454e7ef22c14d25c9502fa63c23fdee9a1e7615f4bc94253961afff863dbf"),
            File("README.md", None, 3_749, "a85ee95921e7096eae2a9835c58b87265ec057eaa1cc4b5ffecf002870b3c7be"),
        ),
    ),
    Source(
        name="llm_banking77",
        about="recorded answers of LLMs on banking77",
        licence="MIT; texts CC BY 4.0",
        repository="stogiannidis/OCaTS, XaverPilgrimm/finetune-vs-classifier-banking77, KaiquanMah/llm-trust-lens",
        commit="c0c680b732d150f7e5620a5b0e64f72ecd934b62",
        files=(
            File("test_llm.csv", None, 1_031_948, "77820d7771119d5062e133523eda0819dc814ff099d9e06d983182ebbf0163e9"),
            File("train_llm.csv", None, 1_897_003, "ec2a7591b5431b010eb22c0e448ca4f176ef8562321551bee228a6fea993f928"),
        ),
    ),
    Source(
        name="llm_imdb_gpt",
        about="sentiment of film reviews, with recorded GPT answers",
        licence="MIT; rights in the reviews unclear",
        repository="stogiannidis/OCaTS",
        commit="c0c680b732d150f7e5620a5b0e64f72ecd934b62",
        files=(
            File(
                "ocats_imdb_dev_gpt.csv",
                "data/processed/imdb/dev.csv",
                1_325_534,
                "6e366383ed77c2f016c85ec0c35849cf66aed4c91744aee14dcabaa0de02a3af",
            ),
            File(
                "ocats_imdb_fewshot_train.csv",
                "data/processed/imdb/train.csv",
                10_052,
                "44a3b4a190c7f2c47008406e410a5b47307eb32e97c5fe003e4e8be9a357fce9",
            ),
            File("README.md", "README.md", 6_375, "2a7fa7a247a81aeeca095884007a12a080cc026284acc6114ad6ca03b6f7a722"),
            File("LICENSE", "LICENSE", 1_075, "8ab663323747934337fb393b556d2cf55e32cc143de5573ed4e9ef13751c921d"),
        ),
    ),
)
