using System.Buffers.Binary;
using System.Security.Cryptography;
using RagPlatform.EmbeddingService.Providers.Hashing;

namespace RagPlatform.EmbeddingService.Tests.Providers.Hashing;

public sealed class CharacterFoldingTests
{
    [Fact]
    public void Table_AllCharacters_IsFrozen()
    {
        // Fails if a new runtime classifies a character differently (new Unicode version): then the table must pin the old class, or
        // HashingEmbedding.Revision be raised.
        var bytes = new byte[CharacterFolding.Table.Length * sizeof(char)];
        for (var i = 0; i < CharacterFolding.Table.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * sizeof(char)), CharacterFolding.Table[i]);
        }

        Assert.Equal("bb56d90585dbbb94e320429367d0d731dc5037bb6998fe17e17748da0f1f73d7", Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    [Theory]
    [InlineData('A', 'a')]
    [InlineData('z', 'z')]
    [InlineData('7', '7')]
    [InlineData('É', 'e')]
    [InlineData('ő', 'o')]
    [InlineData('Ж', 'ж')]
    [InlineData('Й', 'и')]
    [InlineData('ς', 'σ')]
    [InlineData('Ａ', 'a')]
    [InlineData('²', '2')]
    [InlineData('語', '語')]
    public void Table_Letter_FoldsToBase(char character, char folded)
    {
        Assert.Equal(folded, CharacterFolding.Table[character]);
    }

    [Theory]
    [InlineData(' ')]
    [InlineData('\n')]
    [InlineData('\0')]
    [InlineData('-')]
    [InlineData('_')]
    [InlineData('\'')]
    [InlineData('’')]
    [InlineData('—')]
    [InlineData('。')]
    [InlineData('！')]
    [InlineData('€')]
    public void Table_NeitherLetterNorDigit_Separates(char character)
    {
        Assert.Equal(CharacterFolding.Separator, CharacterFolding.Table[character]);
    }

    [Theory]
    [InlineData('\u0301')]
    [InlineData('\u00ad')]
    [InlineData('\u200d')]
    [InlineData('\ufe0f')]
    public void Table_Mark_IsIgnored(char character)
    {
        Assert.Equal(CharacterFolding.Ignored, CharacterFolding.Table[character]);
    }

    [Theory]
    [InlineData('ß', "ss")]
    [InlineData('Æ', "ae")]
    [InlineData('ﬃ', "ffi")]
    public void Expand_Ligature_GivesLetters(char character, string letters)
    {
        var folded = CharacterFolding.Table[character];

        Assert.True(CharacterFolding.IsExpansion(folded));
        Assert.Equal(letters, CharacterFolding.Expand(folded));
    }

    [Theory]
    [InlineData('語', true)]
    [InlineData('か', true)]
    [InlineData('ท', true)]
    [InlineData('한', false)]
    [InlineData('ж', false)]
    [InlineData('a', false)]
    public void IsUnspaced_Script_SaysWhetherSpacesPartWords(char character, bool unspaced)
    {
        Assert.Equal(unspaced, CharacterFolding.IsUnspaced(character));
    }
}
