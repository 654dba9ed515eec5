using RagPlatform.Contracts;
using RagPlatform.SearchApi.Documents;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Tests.Documents;

public sealed class PreparedTextTests
{
    private static readonly SpaceRow s_space = new(7, "space", "model", "", 2, true, "", "", 0, false);

    private readonly Dictionary<string, string[]> _errors = [];

    [Fact]
    public void Read_ChunksWithoutText_TextIsDerivedAndVectorsHaveUnitLength()
    {
        var read = PreparedText.Read(null, [new("one", [3, 4]), new("two")], s_space, _errors, "")!;

        Assert.Equal("one\n\ntwo", read.Text);
        Assert.Equal([0, 5], read.Chunks!.Select(c => c.Start));
        Assert.Equal([0.6f, 0.8f], read.Chunks![0].Vector!);
        Assert.Equal(7, read.Chunks[0].SpaceId);
        Assert.Null(read.Chunks[1].Vector);
        Assert.Null(read.Chunks[1].SpaceId);
        Assert.Empty(_errors);
    }

    [Fact]
    public void Read_SpaceThatIsNotNormalised_VectorStaysAsItIs() =>
        Assert.Equal([3f, 4f], PreparedText.Read(null, [new("a", [3, 4])], s_space with { Normalized = false }, _errors, "")!.Chunks![0].Vector!);

    [Fact]
    public void Read_ChunksThatRepeatInText_AreFoundOneBehindTheOther() =>
        Assert.Equal(
            [0, 4, 2],
            PreparedText.Read("a b a", [new("a"), new("a"), new("b", Start: 2)], s_space, _errors, "")!.Chunks!.Select(c => c.Start));

    [Fact]
    public void Read_ChunkThatRepeatsAHeader_IsComparedBehindIt()
    {
        Assert.Equal(2, PreparedText.Read("h\na\nb", [new("h\nb", Start: 2, Overlap: 2)], s_space, _errors, "")!.Chunks![0].Start);
        Assert.Empty(_errors);
        Assert.Null(PreparedText.Read("h\na\nb", [new("h\nc", Start: 2, Overlap: 2)], s_space, _errors, ""));
    }

    [Fact]
    public void Read_NoChunks_TextIsToBeCut() => Assert.Equal(new("text", null), PreparedText.Read("text", null, s_space, _errors, ""));

    public static TheoryData<PreparedChunk?, string, string> Wrong => new()
    {
        { null, "chunks[0]", "object" },
        { new(" "), "chunks[0].text", "must have" },
        { new(new string('a', 8_193)), "chunks[0].text", "8192" },
        { new("a\0b"), "chunks[0].text", "NUL" },
        { new("a", [1]), "chunks[0].vector", "2 dimensions; this vector has 1" },
        { new("a", [1, float.NaN]), "chunks[0].vector", "finite" },
        { new("a", [1, float.PositiveInfinity]), "chunks[0].vector", "finite" },
        { new("a", [0, 0]), "chunks[0].vector", "zero" },
        { new("a", [1e-30f, 0]), "chunks[0].vector", "length" },
        { new("a", Overlap: 1), "chunks[0].overlap", "fewer" },
        { new("a", Start: 0), "chunks[0].start", "place" },
        { new("a", Heading: new string('h', 1_001)), "chunks[0].heading", "1000" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Read_WrongChunk_SaysWhatAndWhere(PreparedChunk? chunk, string path, string message)
    {
        Assert.Null(PreparedText.Read(null, [chunk!], s_space, _errors, "documents[3]."));

        var error = Assert.Single(_errors);
        Assert.Equal("documents[3]." + path, error.Key);
        Assert.Contains(message, error.Value[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ChunkThatIsNotInTheText_IsRefused()
    {
        Assert.Null(PreparedText.Read("some text", [new("some"), new("other")], s_space, _errors, ""));
        Assert.Equal(["chunks[1].text"], _errors.Keys);
    }

    [Fact]
    public void Read_TooManyChunks_IsRefused()
    {
        Assert.Null(PreparedText.Read(null, [.. Enumerable.Repeat(new PreparedChunk("a"), 2_001)], s_space, _errors, ""));
        Assert.Equal(["chunks"], _errors.Keys);
    }
}
